"""Makes Tests/Fixtures/tokenizers/bpe-{clip,digits,words} and decoding.json: BPE tokenizers whose words end or go on with a
mark or are cut in other ways, and the texts that the tokenizers library makes of ids.

    python Tests/Fixtures/generate/decoding.py     # ids change, as the trainer's do
"""

import json
import random
import unicodedata
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = Path(__file__).resolve()
FOLDER = HERE.parent.parent / "tokenizers"
words = {"__name__": "wordpiece", "__file__": str(HERE)}
exec((HERE.parent / "wordpiece.py").read_text().removesuffix("main()\n"), words)
words["FOLDER"] = FOLDER
CLIP = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


def make(name, normalizer, pre_tokenizer, model, **trainer):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(words["SENTENCES"] * 3, trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<s>", "</s>", "<unk>"], show_progress=False, **trainer))
    (FOLDER / name).mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(FOLDER / name / "tokenizer.json"), pretty=False)
    lines = words["SENTENCES"] + words["nasty_lines"](60, seed=len(name))
    lines += [unicodedata.normalize("NFD", line) for line in lines[:9]]
    lines += ["", " ", "  a  b ", "a\r\n\r\nb\n \n c", "it's I'M we'LL ’s 'ſ", "1234567 1,000.50 ١٢٣ ½ Ⅷ 一", "a\u200db \u200c e\u0301_1",
              "x²y -a--b- …!?", "\u00a0a\u3000b", "<s>a</s>"]
    words["golden"](name, tokenizer, lines)


def decoding():
    """Ids of lines, and any ids at all, as text."""
    d = decoders
    spaces = [d.Replace("▁", " "), d.ByteFallback(), d.Fuse()]
    cases = [("bpe-roberta", d.ByteLevel()), ("bpe-qwen", d.ByteLevel()), ("bpe-llama3", d.Sequence([d.ByteLevel()])),
             ("bpe-bytes", d.Sequence(spaces)), ("bpe-bytes", d.Sequence([*spaces, d.Strip(" ", 1, 0)])), ("bpe-bytes", d.ByteFallback()),
             ("bpe-clip", d.BPEDecoder("</w>")), ("bpe-words", d.Replace(Regex("[#e]+"), "<>")), ("bpe-words", d.Sequence([d.Strip("e", 2, 0), d.Fuse(), d.Replace("e", "ee"), d.Strip("e", 0, 1)])),
             ("uncased", d.WordPiece("##", True)), ("cased", d.WordPiece("##", False)), ("unigram-charsmap", d.Metaspace("▁", "always")),
             ("unigram-bytes", d.Metaspace("▁", "never")), ("unigram-nmt", None)]
    source, found = random.Random(4), []
    lines = words["SENTENCES"][:12] + words["nasty_lines"](6, seed=3) + [" ", "<s>a<mask> b</s>", "do not , it 's . don ' t n't"]
    for name, decoder in cases:
        described = json.loads((FOLDER / name / "tokenizer.json").read_text())
        described["decoder"] = json.loads(decoder.__getstate__()) if decoder else None
        tokenizer = Tokenizer.from_str(json.dumps(described))
        size = tokenizer.get_vocab_size()
        ids = [tokenizer.encode(line).ids for line in lines]
        ids += [[source.randrange(size + 3) for _ in range(source.randrange(1, 30))] for _ in range(12)]
        if name == "bpe-bytes":  # bytes that are UTF-8 or not
            ids += [[tokenizer.token_to_id(f"<0x{byte:02X}>") or 2 for byte in text] for text in
                    ["한é".encode(), b"\xe3\x81", b"a\xff\xfeb", b"\xf0\x9f\x98\x80\x80"]]
        texts = []
        for one in ids:
            try:
                texts.append({"ids": one, "text": tokenizer.decode(one), "kept": tokenizer.decode(one, skip_special_tokens=False)})
            except BaseException:  # Strip gives up on a token that is too short
                continue
        found.append({"tokenizer": name, "decoder": described["decoder"], "lines": texts})
    (FOLDER / "decoding.json").write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    n, p = normalizers, pre_tokenizers
    level = p.ByteLevel(add_prefix_space=False)
    make("bpe-clip", n.Sequence([n.NFC(), n.Replace(Regex(r"\s+"), " "), n.Lowercase()]),
         p.Sequence([p.Split(Regex(CLIP), "removed", invert=True), level]), {"end_of_word_suffix": "</w>", "unk_token": "<unk>"},
         end_of_word_suffix="</w>", initial_alphabet=p.ByteLevel.alphabet())
    make("bpe-digits", None, p.Sequence([p.Digits(individual_digits=True), p.Punctuation("contiguous"), level]), {},
         initial_alphabet=p.ByteLevel.alphabet())
    make("bpe-words", n.NFKC(), p.Sequence([p.Whitespace(), p.CharDelimiterSplit("_"), p.Digits()]),
         {"continuing_subword_prefix": "##", "unk_token": "<unk>", "fuse_unk": True}, continuing_subword_prefix="##", limit_alphabet=200)
    decoding()


main()
