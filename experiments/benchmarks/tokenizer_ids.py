"""Compares Retort's token ids with those of the tokenizers library on nasty lines.

    python tokenizer_ids.py lines MODEL_FOLDER N OUT     # OUT/texts.jsonl {"text"}, OUT/expected.jsonl {"ids"}
    python tokenizer_ids.py compare OUT ACTUAL.jsonl     # ACTUAL: {"ids": [...]} a line, in the order of texts.jsonl
"""

import json
import subprocess
import sys
from pathlib import Path

GENERATOR = Path(__file__).resolve().parents[2] / "Tests/Fixtures/generate/wordpiece.py"


def write_lines(model, count, out):
    from tokenizers import Tokenizer

    command = [sys.executable, str(GENERATOR), "lines", str(count)]
    texts = [json.loads(line) for line in subprocess.run(command, capture_output=True, check=True).stdout.splitlines()]
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


if sys.argv[1:2] == ["lines"] and len(sys.argv) == 5:
    write_lines(sys.argv[2], int(sys.argv[3]), sys.argv[4])
elif sys.argv[1:2] == ["compare"] and len(sys.argv) == 4:
    compare(sys.argv[2], sys.argv[3])
else:
    sys.exit(__doc__)
