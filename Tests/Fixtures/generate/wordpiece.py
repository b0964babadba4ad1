"""Makes Tests/Fixtures/tokenizers: small WordPiece tokenizers, and what the tokenizers library says of nasty lines.

    python Tests/Fixtures/generate/wordpiece.py            # the committed files; ids change, as the trainer's do
    python Tests/Fixtures/generate/wordpiece.py lines N    # N nasty lines, one JSON string a line, for larger comparisons
"""

import json
import random
import sys
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from tokenizers.trainers import WordPieceTrainer

FOLDER = Path(__file__).resolve().parent.parent / "tokenizers"

SENTENCES = """\
The quick brown fox jumps over the lazy dog, and tokenization isn't easy at all.
Unaffordable electroencephalography: 3.14159 × 10^-7 m/s² (approx.) costs $12.50 — or €11,20!
Don't e-mail foo.bar+baz@example.com; see https://example.org/a/b?c=d&e=%20f#g instead.
받아쓰기에서 '먹이량'과 '먹이양' 가운데 어느 것이 맞는지 고르시오.
한글 맞춤법은 표준어를 소리대로 적되, 어법에 맞도록 함을 원칙으로 한다.
두음 법칙에 따라 '량'은 한자어 뒤에서 '량', 고유어와 외래어 뒤에서 '양'으로 적는다.
文章はトークンに分割される。日本語と中文混在テスト、ｶﾀｶﾅ（半角）も。
自然语言处理是人工智能的一个重要方向，繁體字也應該正確處理。
Οἱ Ἕλληνες ἔλεγον· ΣΊΣΥΦΟΣ, Σίσυφος ΟΔΟΣ ὀδός.
Съешь же ещё этих мягких французских булок, да выпей чаю. Їжак Ґанок Ё Й
İstanbul'da ışıklar, Iğdır ve ISPARTA; ıI iİ
Straße, STRASSE, ẞ, Fuß; façade naïve Ångström Žluťoučký kůň Đặng Tiếng Việt ǅ Ǆ ﬁ ﬃ
مرحبا بالعالم، كيف حالُكَ؟ ١٢٣٤ لا إله
שָׁלוֹם עולם — מה שלומך? "יום טוב"
नमस्ते दुनिया। क़िला ज़मीन ड़ ढ़ हिन्दी में परीक्षण
สวัสดีชาวโลก ภาษาไทยไม่มีช่องว่าง ກໍ ราคา ๑๒๓ ฿
ગુજરાતી ਪੰਜਾਬੀ বাংলা য় ড় தமிழ் కొ ಕೊ മലയാളം සිංහල བོད་ གྷ
👩‍👩‍👧‍👦 👍🏽 🇰🇷 ❤️ ☃️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 #️⃣ 😀😃 🫠 🪿
𝕳𝖊𝖑𝖑𝖔 𝐰𝐨𝐫𝐥𝐝 𐐀𐐨 𐓀 𝄞𝅗𝅥 𠀀𪜀𫝀𬺰𰀀 🄰 Ⓐ ⓐ Ⅷ ⅷ
Ꭰ ꭰ Ა ა Ⴀ ⴀ Ꙁ ꙁ Ɦ Ꞻ ꟲ 𞤀 𞤢 ẟ K Å Ω ℵ""".split("\n")

ODDITIES = (
    [chr(c) for c in range(0x21)]
    + [chr(c) for c in [0x7F, 0x80, 0x85, 0x9F, 0xA0, 0xAD, 0x34F, 0x61C, 0x1680, 0x180E, 0xD7FF, 0xE000, 0xF8FF]]
    + [chr(c) for c in [*range(0x2000, 0x2070), 0x3000, 0xFDD0, 0xFEFF, *range(0xFFF9, 0x10000)]]
    + [chr(c) for c in [0x10000, 0x1FFFE, 0x1FFFF, 0x20000, 0xE0001, 0xE0020, 0xE007F, 0xE0100, 0xF0000, 0x10FFFF]]
    + [chr(c) for c in [0x300, 0x301, 0x302, 0x323, 0x327, 0x345, 0x5B0, 0x64B, 0x93C, 0x20DD, 0x302A, 0x302E, 0x3099]]
    + [chr(c) for c in [0x1D165, 0x1D16D, 0x1D1AA, 0x16FF0, 0x1DFA, 0x1E2EC, 0x110C2, 0x11938, 0x1E94A, 0xA9B4]]
)
BLOCKS = [
    (0x21, 0x7F), (0x21, 0x7F), (0x61, 0x7B), (0xA0, 0x250), (0x250, 0x370), (0x370, 0x530), (0x530, 0x700),
    (0x900, 0xE00), (0xE00, 0x1200), (0x1100, 0x1200), (0xA960, 0xA980), (0xAC00, 0xD7A4), (0xD7B0, 0xD800),
    (0x1E00, 0x2000), (0x2000, 0x2C00), (0x2C00, 0x3000), (0x3000, 0x3400), (0x4E00, 0xA000), (0xA490, 0xAC00),
    (0xF900, 0x10000), (0x10000, 0x12000), (0x16800, 0x17000), (0x1CF00, 0x1E000), (0x1E000, 0x1F000),
    (0x1F000, 0x1FC00), (0x2A600, 0x2F900), (0x2F800, 0x2FA20), (0x30000, 0x31400), (0xE0000, 0xE0200), (0, 0x110000),
]  # fmt: skip
TOKENS = ["[CLS]", "[SEP]", "[UNK]", "[MASK]", "[cls]", "[ MASK]", "<left>", "<right>", "<both>", "<word>", "NÄHE", "nähe", "<Left>", "##ing"]
JAMO = ["\u1112\u1161\u11ab\u1100\u1173\u11af", "\u1100\u1161", "\uac00\u11a8", "\u3131\u314f", "e\u0301", "a\u0323\u0302", "a\u0302\u0323"]


def scalar(source):
    low, high = source.choice(BLOCKS)
    code = source.randrange(low, high)
    return "" if 0xD800 <= code < 0xE000 else chr(code)


def nasty(source):
    """A line that mixes sentences, mutations, odd scalars and added tokens."""
    line = []
    for _ in range(source.choice([1, 2, 3, 6])):
        kind = source.randrange(9)
        if kind < 3:
            words = source.choice(SENTENCES).split(" ")
            at = source.randrange(len(words))
            line += words[at : at + source.randrange(1, 8)]
        elif kind == 3:
            line.append("".join(scalar(source) for _ in range(source.randrange(1, 12))))
        elif kind == 4:
            word = list(source.choice(source.choice(SENTENCES).split(" ")))
            for _ in range(source.randrange(1, 4)):
                word.insert(source.randrange(len(word) + 1), source.choice(ODDITIES))
            line.append("".join(word))
        elif kind == 5:
            line.append("".join(source.choice(ODDITIES) for _ in range(source.randrange(1, 6))))
        elif kind == 6:
            line.append(source.choice(["", "a", " ", "\u3000", "-", "é", "가", "中"]).join(
                source.choice(TOKENS) for _ in range(source.randrange(1, 4))))
        elif kind == 7:
            line.append("".join(source.choice(JAMO) for _ in range(source.randrange(1, 4))))
        elif source.random() < 0.3:
            unit = source.choice(["ab", "가", "é", "中", "x", "\u0301", "İ"])
            line.append(unit * (source.choice([99, 100, 101, 102, 150]) // len(unit) + source.randrange(2)))
        else:
            line.append(source.choice(["I", "ing", "GOOD", "don't", "C++", "...", "¿qué?", "№5", "½", "™"]))
    return source.choice([" ", " ", " ", "", "\t", "\u00a0", "\u200b"]).join(line)


def nasty_lines(count, seed=20):
    source = random.Random(seed)
    return [nasty(source) for _ in range(count)]


def ranges(holds):
    """[first, last] of every stretch of scalars for which `holds`."""
    found = []
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000 and holds(chr(code)):
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return found


def scalar_ranges():
    def normalizer(**options):
        off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
        return normalizers.BertNormalizer(**{**off, **options})

    clean, strip = normalizer(clean_text=True), normalizer(strip_accents=True)
    apart = normalizer(handle_chinese_chars=True)
    split = pre_tokenizers.BertPreTokenizer()
    words = lambda text: len(split.pre_tokenize_str(text))  # noqa: E731
    return {
        "dropped": ranges(lambda c: clean.normalize_str(c) == ""),
        "whitespace": ranges(lambda c: words(f"a{c}b") == 2),
        "punctuation": ranges(lambda c: words(f"a{c}b") == 3),
        "nonspacing_marks": ranges(lambda c: strip.normalize_str(c) == ""),
        "ideographs": ranges(lambda c: len(apart.normalize_str(c)) == 3),
    }


def train(name, normalizer, size, post_processor, added):
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(SENTENCES * 3, WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False))
    if added:
        tokenizer.add_tokens([
            AddedToken("<left>", lstrip=True), AddedToken("<right>", rstrip=True, normalized=False),
            AddedToken("<both>", lstrip=True, rstrip=True), AddedToken("<word>", single_word=True, normalized=False),
            AddedToken("NÄHE", single_word=True), AddedToken("<leftmost", normalized=False), AddedToken("fo"),
        ])  # fmt: skip
        tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, special=True)])
    if post_processor == "template":
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    elif post_processor == "bert":
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    (FOLDER / name).mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(FOLDER / name / "tokenizer.json"), pretty=False)
    return tokenizer


def golden(name, tokenizer, lines):
    source = random.Random(5)
    cases = []
    for line in lines:
        cases.append({"text": line, "ids": tokenizer.encode(line).ids})
    for _ in range(60):
        pair = [source.choice(SENTENCES), source.choice(SENTENCES)] if source.random() < 0.8 else ["", "a b c d e"]
        length, strategy = source.choice([4, 5, 9, 10, 16, 25]), source.choice(["longest_first", "only_first", "only_second"])
        case = {"pair": pair, "max_length": length, "strategy": strategy}
        try:
            tokenizer.enable_truncation(max_length=length, strategy=strategy)
            encoding = tokenizer.encode(*pair)
            case |= {"ids": encoding.ids, "type_ids": encoding.type_ids}
        except Exception:  # the library refuses: the text to cut is too short
            case["refused"] = True
        cases.append(case)
    tokenizer.no_truncation()
    with open(FOLDER / name / "golden.jsonl", "w", encoding="ascii") as file:
        for case in cases:
            file.write(json.dumps(case) + "\n")


def trainer_golden():
    """Words of at most 3 characters: with more, the library's own result changes from run to run (ties)."""
    words = [word[:3] for sentence in SENTENCES for word in sentence.split(" ") if len(word) > 1]
    texts = [" ".join([word] * (index % 17 + 1)) for index, word in enumerate(words)]
    runs = []
    for _ in range(5):
        tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        trainer = WordPieceTrainer(vocab_size=10000, min_frequency=3, special_tokens=special, show_progress=False)
        tokenizer.train_from_iterator(texts, trainer)
        runs.append(sorted(tokenizer.get_vocab()))
    assert all(run == runs[0] for run in runs), "ties: choose other texts"
    with open(FOLDER / "trainer.json", "w", encoding="ascii") as file:
        json.dump({"texts": texts, "vocabulary_size": 10000, "minimum_frequency": 3, "pieces": runs[0]}, file)


def main():
    if sys.argv[1:2] == ["lines"]:
        for line in nasty_lines(int(sys.argv[2])):
            print(json.dumps(line))
        return
    bert = normalizers.BertNormalizer
    made = {
        "uncased": train("uncased", bert(lowercase=True), 1000, "template", True),
        "cased": train("cased", bert(lowercase=False, strip_accents=False), 1200, "bert", False),
        "accents-stripped": train("accents-stripped", bert(clean_text=False, handle_chinese_chars=False, lowercase=False, strip_accents=True), 1000, None, True),
        "lowercased": train("lowercased", bert(lowercase=True, strip_accents=False), 1000, "template", False),
    }
    for index, (name, tokenizer) in enumerate(made.items()):
        golden(name, tokenizer, SENTENCES[index::2] + nasty_lines(100, seed=index))
    trainer_golden()
    with open(FOLDER / "scalars.json", "w", encoding="ascii") as file:
        json.dump(scalar_ranges(), file, separators=(",", ":"))


main()
