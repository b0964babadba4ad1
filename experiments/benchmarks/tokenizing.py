"""Tokenizing on one thread, Retort beside Hugging Face tokenizers: the same texts, alternating processes, the same ids.

  python tokenizing.py MODEL [--retort retort] [--texts 20000] [--rounds 5] [--seed 7] [--load]

MODEL is a folder with a tokenizer.json: WordPiece (all-MiniLM-L6-v2), Unigram (multilingual-e5-small) or byte-level BPE.
With --load one text is tokenized, so that loading is what is compared, and the whole process. Of the texts, from the seed, 70 % are
English (whole words of the vocabulary, the frequent ones oftener, a tenth with endings or capitals), 20 % Korean and
10 % numbers, addresses and punctuation, 10 to 120 words each. A run is a process of its own: Retort's is
`retort tokenize --summary`, the peer's loads tokenizer.json and takes the better of `encode_batch` and
`encode_batch_fast`. Seconds are those from texts in memory to encodings in memory; loading is stated apart. The ids of
all texts are compared once, text by text. Prints a JSON line per run, then medians and ratios. Needs tokenizers.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENDINGS = ["s", "ed", "ing", "ly", "ness", "ization", "’s", "less", "-like", "ers"]
STEMS = "나라 사람 말 글 법칙 한글 맞춤법 소리 어법 원칙 받침 낱말 문장 뜻 표준어 외래어 한자어 고유어 학교 서울 바다 마음".split()
PARTICLES = "은 는 이 가 을 를 에서 으로 와 과 의 에게 까지 부터 입니다 이었다 하였다 한다 되도록".split()
MARKS = ["$12.50", "3.14159", "e-mail", "foo.bar@example.com", "https://example.org/a?b=c&d=%20e#f", "(see", "p. 42)",
         "—", "“quoted”", "…", "50%", "C++", "a/b/c", "[1]", "2024-05-17", "#tag", "!!", "naïve", "Ångström", "東京"]


def make_texts(model: Path, count: int, seed: int) -> list[str]:
    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    by_id = [piece for piece, _ in vocabulary] if isinstance(vocabulary, list) else sorted(vocabulary, key=vocabulary.get)
    if any(piece[:1] in ("▁", "Ġ") for piece in by_id):  # pieces that begin a word bear a mark
        by_id = [piece[1:] for piece in by_id if piece[:1] in ("▁", "Ġ")]
    words = list(dict.fromkeys(word for word in by_id if word.isascii() and word.isalpha() and len(word) > 1))
    frequencies = [1 / (rank + 10) for rank in range(len(words))]  # Zipf: a vocabulary's ids follow frequency roughly
    draw = random.Random(seed)

    def english(length: int) -> list[str]:
        text = draw.choices(words, frequencies, k=length)
        for at in range(length):
            chance = draw.random()
            if chance < 0.05:
                text[at] += draw.choice(ENDINGS)
            elif chance < 0.1:
                text[at] = text[at].capitalize()
            elif chance < 0.18:
                text[at] += draw.choice(",.;:!?")
        return text

    def korean(length: int) -> list[str]:
        return [draw.choice(STEMS) + draw.choice(PARTICLES) + draw.choice(["", "", "", "", ",", "."]) for _ in range(length)]

    def marks(length: int) -> list[str]:
        return [draw.choice(MARKS) if draw.random() < 0.4 else draw.choices(words, frequencies)[0] for _ in range(length)]

    return [" ".join(draw.choices([english, korean, marks], [7, 2, 1])[0](draw.randint(10, 120))) for _ in range(count)]


def run_peer(options: argparse.Namespace) -> dict:
    from tokenizers import Tokenizer

    start = time.perf_counter()
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    loading = time.perf_counter() - start
    texts = [json.loads(line)["text"] for line in open(options.file, encoding="utf-8")]
    seconds = []
    for encode in (tokenizer.encode_batch, tokenizer.encode_batch_fast):
        start = time.perf_counter()
        encodings = encode(texts)
        seconds.append(time.perf_counter() - start)
    if options.ids:
        with open(options.ids, "w") as file:
            file.writelines(json.dumps(encoding.ids) + "\n" for encoding in encodings)
    return {"tokens": sum(len(encoding.ids) for encoding in encodings), "loadSeconds": loading, "tokenizeSeconds": min(seconds)}


def run(options: argparse.Namespace, program: str, command: list[str]) -> dict:
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    whole = time.perf_counter() - start
    said = json.loads(done.stdout)
    tokens, seconds = said["tokens"], said["tokenizeSeconds"]
    result = {"program": program, "tokens": tokens, "load_seconds": round(said["loadSeconds"], 4),
              "tokenize_seconds": round(seconds, 4), "million_tokens_per_second": round(tokens / seconds / 1e6, 3),
              "process_seconds": round(whole, 3)}
    print(json.dumps(result), flush=True)
    return result


def compare_ids(options: argparse.Namespace, file: str, ids: str) -> int:
    command = [options.retort, "tokenize", str(options.model), file]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    expected = Path(ids).read_text().splitlines()
    if len(found) != len(expected):
        sys.exit(f"{len(found)} texts of {len(expected)}")
    differing = [at for at, pair in enumerate(zip(found, expected)) if json.loads(pair[0])["ids"] != json.loads(pair[1])]
    for at in differing[:5]:
        print(f"text {at + 1}: expected {expected[at]}, found {found[at]}", file=sys.stderr)
    return len(differing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--load", action="store_true", help="compare loading")
    parser.add_argument("--file", help=argparse.SUPPRESS)
    parser.add_argument("--ids", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.texts = 1 if options.load else options.texts
    if options.file:
        print(json.dumps(run_peer(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file, ids = f"{folder}/texts.jsonl", f"{folder}/ids.jsonl"
        with open(file, "w", encoding="utf-8") as out:
            out.writelines(json.dumps({"text": text}, ensure_ascii=False) + "\n"
                           for text in make_texts(options.model, options.texts, options.seed))
        peer = [sys.executable, __file__, str(options.model), "--file", file]
        runs: dict[str, list[dict]] = {"retort": [], "tokenizers": []}
        for at in range(options.rounds):
            runs["retort"].append(run(options, "retort", [options.retort, "tokenize", str(options.model), file, "--summary"]))
            runs["tokenizers"].append(run(options, "tokenizers", peer + (["--ids", ids] if at == 0 else [])))
        differing = compare_ids(options, file, ids)
    median = {program: {key: statistics.median(one[key] for one in all) for key in all[0] if key != "program"}
              for program, all in runs.items()}
    what = "load_seconds" if options.load else "tokenize_seconds"
    ratio = median["tokenizers"][what] / median["retort"][what]
    print(json.dumps({"medians": median, "retort_to_tokenizers": round(ratio, 2), "texts_with_other_ids": differing}, indent=2))
    sys.exit(1 if differing else 0)


main()
