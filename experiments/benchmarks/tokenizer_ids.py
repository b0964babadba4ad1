"""Compares Retort's token ids with those of the tokenizers library on nasty lines.

    python tokenizer_ids.py lines MODEL_FOLDER N OUT [CATALOGUES]   # OUT/texts.jsonl {"text"}, OUT/expected.jsonl {"ids"}
    python tokenizer_ids.py compare OUT ACTUAL.jsonl     # ACTUAL: {"ids": [...]} a line, in the order of texts.jsonl

The N lines mix sentences of twenty scripts, odd characters and added tokens. To them come stretches of all of Unicode, the
same in NFD, controls, lines of 100,000 characters without a space, and, of CATALOGUES, a folder with gettext's .mo files
(an unpacked package of translations such as Debian's iso-codes), up to 300 texts of each language.
"""

import gettext
import json
import random
import subprocess
import sys
import unicodedata
from pathlib import Path

GENERATOR = Path(__file__).resolve().parents[2] / "Tests/Fixtures/generate/wordpiece.py"


def unicode_lines():
    def scalars(low, high):
        return [chr(code) for code in range(low, high) if not 0xD800 <= code < 0xE000]

    lines = ["".join(scalars(low, low + 61)) for low in range(0, 0x30000, 61)]
    lines += ["a ".join(scalars(low, low + 97)) for low in range(0, 0x30000, 97)]
    lines += ["가" * 100_000, "x" * 100_000, "ab한漢" * 25_000, " " * 5000, "😀" * 1000]
    return lines + ["it's I'M we'LL 've ’s", "1234567 1,000.50 ١٢٣ ½ Ⅷ", "a\r\n\r\nb\n \n c", "x\u00a0y\u2003z"]


def catalogue_lines(folder):
    by_language = {}
    for file in sorted(Path(folder).rglob("*.mo")):
        with open(file, "rb") as opened:
            texts = gettext.GNUTranslations(opened)._catalog
        language = file.parent.parent.name
        by_language.setdefault(language, []).extend(text for key, text in texts.items() if key and isinstance(text, str))
    source = random.Random(5)
    return [text for texts in by_language.values() for text in source.sample(texts, min(300, len(texts)))]


def write_lines(model, count, out, catalogues=None):
    from tokenizers import Tokenizer

    command = [sys.executable, str(GENERATOR), "lines", str(count)]
    texts = [json.loads(line) for line in subprocess.run(command, capture_output=True, check=True).stdout.splitlines()]
    texts += unicode_lines() + (catalogue_lines(catalogues) if catalogues else [])
    texts += [unicodedata.normalize("NFD", text) for text in random.Random(6).sample(texts, len(texts) // 10)]
    tokenizer = Tokenizer.from_file(str(Path(model) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    Path(out).mkdir(parents=True, exist_ok=True)
    with open(Path(out) / "texts.jsonl", "w") as file, open(Path(out) / "expected.jsonl", "w") as expected:
        for text in texts:
            file.write(json.dumps({"text": text}) + "\n")
            expected.write(json.dumps({"ids": tokenizer.encode(text).ids}) + "\n")


def compare(out, actual):
    def read(path):
        return [json.loads(line) for line in Path(path).read_text().splitlines()]

    texts, expected, found = read(Path(out) / "texts.jsonl"), read(Path(out) / "expected.jsonl"), read(actual)
    if len(found) != len(expected):
        sys.exit(f"{len(found)} lines instead of {len(expected)}")
    differing = [index for index, (a, b) in enumerate(zip(expected, found)) if a["ids"] != b["ids"]]
    for index in differing[:10]:
        print(f"line {index + 1}: {texts[index]}\n  expected {expected[index]['ids']}\n  found    {found[index]['ids']}")
    print(f"{len(expected)} lines, {len(differing)} differ")
    sys.exit(1 if differing else 0)


if sys.argv[1:2] == ["lines"] and len(sys.argv) in (5, 6):
    write_lines(sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
elif sys.argv[1:2] == ["compare"] and len(sys.argv) == 4:
    compare(sys.argv[2], sys.argv[3])
else:
    sys.exit(__doc__)
