"""Makes Tests/Fixtures/tokenizers/bpe-* and expressions.json: small BPE tokenizers, and what the tokenizers library says
of lines; regular expressions, and what they match.

    python Tests/Fixtures/generate/bpe.py            # the committed files; ids change, as the trainer's do
    python Tests/Fixtures/generate/bpe.py expressions N SEED   # N expressions, for larger comparisons, to standard output
"""

import json
import random
import sys
import unicodedata
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).resolve()
FOLDER = HERE.parent.parent / "tokenizers"
words = {"__name__": "wordpiece", "__file__": str(HERE)}
exec((HERE.parent / "wordpiece.py").read_text().removesuffix("main()\n"), words)
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+")
LLAMA = QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|")


def make(name, normalizer, pre_tokenizer, post_processor, size=700, model={}, special=SPECIAL, change=None, **trainer):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    if "limit_alphabet" not in trainer:
        trainer["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        words["SENTENCES"] * 3, trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False, **trainer))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    tokenizer.add_tokens([
        AddedToken("<right>", rstrip=True), AddedToken("<both>", lstrip=True, rstrip=True, normalized=False),
        AddedToken("<word>", single_word=True), AddedToken("NÄHE", normalized=True)])  # fmt: skip
    if post_processor is not None:
        tokenizer.post_processor = post_processor
    (FOLDER / name).mkdir(parents=True, exist_ok=True)
    file = FOLDER / name / "tokenizer.json"
    tokenizer.save(str(file), pretty=False)
    if change:
        described = json.loads(file.read_text())
        change(described)
        file.write_text(json.dumps(described, ensure_ascii=False, separators=(",", ":")))
        tokenizer = Tokenizer.from_file(str(file))
    lines = words["SENTENCES"] + words["nasty_lines"](60, seed=size)
    lines += [unicodedata.normalize("NFD", line) for line in lines[:7]]
    lines += ["", " ", "  a  b ", "a\r\n\r\nb\n \n c", "it's I'M we'LL ’s 'ſ", "1234567 1,000.50 ١٢٣ ½", "<mask>a", "a <mask> b <unk>"]
    words["FOLDER"] = FOLDER
    words["golden"](name, tokenizer, lines)


def whole_words(described):
    """Pieces that no merge makes are found where words are looked up whole."""
    described["model"]["ignore_merges"] = True
    pieces = described["model"]["vocab"]
    described["added_tokens"] = [token for token in described["added_tokens"] if token["id"] < 4]
    for piece in ["Ġlazy", "foo", "Ġ'", "íķľê¸Ģ"]:
        pieces.setdefault(piece, len(pieces))


def without_a_byte(described):
    """Characters that are spelt with it are unknown."""
    pieces = described["model"]["vocab"]
    pieces["<0xE1 >"] = pieces.pop("<0xE1>")
    described["added_tokens"] = [token for token in described["added_tokens"] if not token["content"].startswith("<0x")]


def tokenizers():
    n, p = normalizers, pre_tokenizers
    levelled = p.ByteLevel(add_prefix_space=False, use_regex=False)
    template = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 0)])
    make("bpe-roberta", None, p.ByteLevel(add_prefix_space=False), processors.RobertaProcessing(("</s>", 2), ("<s>", 0)))
    make("bpe-gpt2", n.NFD(), p.ByteLevel(add_prefix_space=True), processors.ByteLevel(trim_offsets=False), size=650)
    make("bpe-qwen", n.NFC(), p.Sequence([p.Split(Regex(QWEN), "isolated"), levelled]), processors.ByteLevel(), size=651)
    make("bpe-llama3", None, p.Sequence([p.Split(Regex(LLAMA), "removed", invert=True), levelled]),
         processors.Sequence([processors.ByteLevel(), template]), size=652, change=whole_words)
    make("bpe-bytes", n.Replace(" ", "▁"), p.Split(" ", "merged_with_previous"), None, size=653, limit_alphabet=200,
         special=SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)], change=without_a_byte,
         model={"byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"})
    make("bpe-next", n.Sequence([n.NFD(), n.Lowercase()]), p.Split(Regex(r"\s|[aeiou]|\p{P}"), "merged_with_next"), None,
         size=400, limit_alphabet=150, model={"unk_token": "<unk>"})
    make("bpe-contiguous", n.ByteLevel(), p.Sequence([p.Split("Ġ", "contiguous"), p.Split(Regex("[a-z]+"), "merged_with_previous", invert=True)]),
         template, size=401, limit_alphabet=100)


ATOMS = (
    r"a b c \s \S \d \w \W \p{L} \p{N} \P{L} \p{^N} [ab] [^ab] [^\s\p{L}\p{N}] [\r\n] [^\r\n\p{L}\p{N}] [a-c1-3] [\p{Lu}\p{M}]"
    r" [\S\n] é 한 [一-龥] ' (?i:s) (?i:'s|k) [가-힣] [\-\]x] . \n \p{P} (?i:[a-k]) [-a] [a-] \u0041 \p{Mn} \p{Zs}"
).split(" ") + [" "]
TEXT = list("aaabbbccc   \n\r\t123'sSkKxAB.-!") + ["ſ", "\u212a", "é", "e\u0301", "한", "中", "\u00a0", "½", "٣", "ß", "😀", "\u200d", "_"]


def part(source, depth):
    kind = source.random()
    if depth == 0 or kind < 0.35 or kind > 0.7:
        atom = source.choice(ATOMS)
    elif kind < 0.5:
        atom = "(?:" + choice(source, depth - 1) + ")"
    elif kind < 0.55:
        atom = "(" + choice(source, depth - 1) + ")"
    elif kind < 0.63:
        return source.choice([r"(?!\S)", r"(?=\S)", "(?![a ])", "(?=b)", "$", r"(?!\p{N})"])
    else:
        atom = "(?i:" + "".join(source.choice(["a", "B", "k", "'", "s", "[ab]", "1", r"\s"]) for _ in range(2)) + ")"
    if source.random() < 0.5:
        return atom
    possessive = ["?+", "*+", "++"] if atom in ATOMS and not atom.startswith("(?i:'") else []
    return atom + source.choice("? * + {2} {1,3} {2,} {,2} ?? *? +? {1,3}? {2,}?".split(" ") + possessive)


def choice(source, depth):
    def one():
        return "".join(part(source, depth) for _ in range(source.choice([1, 1, 2, 3])))

    return "|".join(one() for _ in range(source.choice([1, 1, 2, 3])))


def expressions(count, seed):
    """Expressions with texts and the bytes of what they match there."""
    source, found = random.Random(seed), []
    while len(found) < count:
        written, cases = choice(source, 2), []
        try:
            split = pre_tokenizers.Split(Regex(written), "removed", invert=True)
            for _ in range(4):
                text = "".join(source.choice(TEXT) for _ in range(source.randrange(1, 24)))
                bytes_before = [len(text[:at].encode()) for at in range(len(text) + 1)]
                matches = [[bytes_before[at] for at in ends] for _, ends in split.pre_tokenize_str(text)]
                cases.append({"text": text, "matches": matches})
        except BaseException:  # not an expression, or one that the engine gives up on
            continue
        found.append({"expression": written, "cases": cases})
    return found


def scalars():
    """How many scalars an expression matches, and the sum of their numbers."""
    everything = "".join(chr(code) for code in [*range(0x33800), *range(0xE0000, 0xE0200)] if not 0xD800 <= code < 0xE000)
    counted = {}
    for atom in r"\s \d \w [\w] \p{L} \p{M} \p{N} \p{P} \p{S} \p{Z} \p{C} \p{Lu} \p{Ll} \p{Lt} \p{Lm} \p{Lo} \p{Mn} \p{Nd}".split(" "):
        others = normalizers.Replace(Regex(atom), "").normalize_str(everything)
        counted[atom] = [len(everything) - len(others), sum(map(ord, everything)) - sum(map(ord, others))]
    return counted


def main():
    if sys.argv[1:2] == ["expressions"]:
        for one in expressions(int(sys.argv[2]), int(sys.argv[3])):
            print(json.dumps(one))
        return
    tokenizers()
    golden = {"expressions": expressions(400, 1), "scalars": scalars()}
    (FOLDER / "expressions.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
