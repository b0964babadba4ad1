"""Makes Tests/Fixtures/tokenizers/unigram-*: small Unigram tokenizers, and what the tokenizers library says of lines.

    python Tests/Fixtures/generate/unigram.py

The pieces are cut from wordpiece.py's sentences with made-up scores, so that nothing depends on a trainer. The charsmap
is compiled here: a Darts trie of a few texts, each with what it becomes.
"""

import base64
import json
import random
import struct
import unicodedata
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

HERE = Path(__file__).resolve()
FOLDER = HERE.parent.parent / "tokenizers"
words = {"__name__": "wordpiece", "__file__": str(HERE)}
exec((HERE.parent / "wordpiece.py").read_text().removesuffix("main()\n"), words)
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def charsmap(rules):
    """Sentencepiece's form: the trie's size, its units, the results. Each node's children get a block of their own."""
    trie, results, blob = {}, {}, b""
    for text, result in rules.items():
        results[text.encode()] = len(blob)
        blob += result.encode() + b"\0"
        node = trie
        for byte in text.encode():
            node = node.setdefault(byte, {})
    units, queue, free = {}, [(b"", trie, 0, 0)], 1
    while queue:
        prefix, node, place, label = queue.pop(0)
        block = free << 8  # a child lies at (place ^ offset) ^ byte; a leaf's value at place ^ offset
        free += 1
        offset = place ^ block
        assert offset < 1 << 21
        has_leaf = prefix in results
        units[place] = label | has_leaf << 8 | offset << 10
        if has_leaf:
            units[block] = 1 << 31 | results[prefix]
        queue += [(prefix + bytes([byte]), child, block ^ byte, byte) for byte, child in node.items()]
    size = max(units) + 1
    packed = b"".join(struct.pack("<I", units.get(place, 0)) for place in range((size + 255) // 256 * 256))
    return struct.pack("<I", len(packed)) + packed + blob


def vocabulary(seed, normalizer, byte_fallback):
    source = random.Random(seed)
    texts = ["▁" + normalizer.normalize_str(sentence).replace(" ", "▁") for sentence in words["SENTENCES"]]
    pieces = {character for text in texts for character in text if source.random() < 0.9}
    for _ in range(400):
        text = source.choice(texts)
        at = source.randrange(len(text))
        pieces.add(text[at : at + source.randrange(2, 7)])
    scored = [[piece, 0.0] for piece in SPECIAL]
    if byte_fallback:
        scored += [[f"<0x{byte:02X}>", 0.0] for byte in range(256)]
    return [tuple(one) for one in scored + [[piece, -round(source.uniform(2, 12), 6)] for piece in sorted(pieces)]]


def make(name, normalizer, pre_tokenizer, post_processor, byte_fallback=False, seed=1):
    pieces = vocabulary(seed, normalizer, byte_fallback)
    tokenizer = Tokenizer(models.Unigram(pieces, 3, byte_fallback))
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.post_processor = normalizer, pre_tokenizer, post_processor
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, normalized=False, special=True)])
    (FOLDER / name).mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(FOLDER / name / "tokenizer.json"), pretty=False)
    lines = words["SENTENCES"] + words["nasty_lines"](40, seed=seed)
    lines += [unicodedata.normalize("NFD", line) for line in lines[:7]] + ["", " ", "  a  b ", "▁▁x", "[MASK]a", "a [MASK] b <unk>"]
    words["FOLDER"] = FOLDER
    words["golden"](name, tokenizer, lines)


def main():
    n, p = normalizers, pre_tokenizers
    rules = {"①": "1", "ﬁ": "fi", "Å": "Å", "e\u0301": "é", "\r": " ", "\n": " ", "\t": " ", "\u200b": "", "～": "~", "각": "각"}
    template = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    make("unigram-nmt", n.Sequence([n.Replace("～", "\ufdd0"), n.Nmt(), n.NFKC(), n.Replace("\ufdd0", "～"), n.Replace(Regex(" {2,}"), " ")]),
         p.Metaspace(), template)
    make("unigram-charsmap", n.Sequence([n.Precompiled(charsmap(rules)), n.Strip(left=False, right=True), n.Replace(Regex(" {2,}"), "▁")]),
         p.Sequence([p.WhitespaceSplit(), p.Metaspace(prepend_scheme="always")]), processors.RobertaProcessing(("</s>", 2), ("<s>", 0)), seed=2)
    make("unigram-bytes", n.Sequence([n.NFD(), n.StripAccents(), n.Lowercase(), n.NFC(), n.Prepend("_"), n.Replace(Regex(r"\s+"), " ")]),
         p.Metaspace(prepend_scheme="first", split=False), None, byte_fallback=True, seed=3)
    make("unigram-plain", n.Sequence([n.NFKD(), n.Strip(left=True, right=False)]), p.Metaspace(prepend_scheme="never"), template, seed=4)


main()
