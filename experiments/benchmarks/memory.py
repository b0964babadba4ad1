"""What trainings take of the memory they were given, and what a large bf16 checkpoint takes while it is used.

  python memory.py MODEL [--retort retort …] [--large FOLDER]

Several binaries are run one after the other, for a comparison. MODEL is a folder of all-MiniLM-L6-v2: `distill` trains it
with little memory, so that batches are split; a stage that exceeds its `memory` is ended by the runner, one whose step
cannot fit ends itself beforehand, both are shown as what they are. With --large FOLDER a BERT of random bf16 weights, 24
layers of 2,048, 2.5 GB, is made there (a second call finds it), and embeds eight texts and trains with LoRA. Peaks are what
the system counts of the worker, rehearsals out of the stage's profile. Standard library only.
"""
import argparse
import json
import os
import random
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from side_by_side import make_texts

LAYERS, WIDTH, HEADS, INNER = 24, 2048, 32, 8192
DROPOUT = {"hidden_dropout": 0.1, "attention_dropout": 0.1}
CASES = [  # memory, LoRA, precision, queries a batch, more parameters
    ("350MB", True, "fp32", 16, {}), ("500MB", True, "fp32", 16, {}), ("500MB", True, "bf16", 32, {}),
    ("500MB", True, "fp32", 32, DROPOUT), ("700MB", False, "fp32", 16, {}), ("900MB", False, "bf16", 32, {}),
    ("1200MB", False, "fp32", 32, DROPOUT), ("100MB", True, "fp32", 16, {})]


def random_bf16(count: int) -> bytes:
    """Numbers of a few hundredths: any sign and mantissa, one exponent."""
    numbers = bytearray(os.urandom(2 * count))
    numbers[0::2] = numbers[0::2].translate(bytes(value & 0x7F for value in range(256)))
    numbers[1::2] = numbers[1::2].translate(bytes(value & 0x80 | 0x3C for value in range(256)))
    return bytes(numbers)


def make_large(model: Path, folder: Path) -> None:
    if (folder / "model.safetensors").exists():
        return
    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.bin", "*.onnx"), dirs_exist_ok=True)
    config = json.loads((model / "config.json").read_text())
    config |= {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
               "intermediate_size": INNER, "dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True}))
    shapes = {"embeddings.word_embeddings.weight": [config["vocab_size"], WIDTH],
              "embeddings.position_embeddings.weight": [config["max_position_embeddings"], WIDTH],
              "embeddings.token_type_embeddings.weight": [config["type_vocab_size"], WIDTH]}

    def norm(name: str) -> None:
        shapes.update({f"{name}.weight": [WIDTH], f"{name}.bias": [WIDTH]})

    def linear(name: str, out: int, width: int) -> None:
        shapes.update({f"{name}.weight": [out, width], f"{name}.bias": [out]})

    norm("embeddings.LayerNorm")
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            linear(f"{layer}.attention.{part}", WIDTH, WIDTH)
        linear(f"{layer}.intermediate.dense", INNER, WIDTH)
        linear(f"{layer}.output.dense", WIDTH, INNER)
        norm(f"{layer}.attention.output.LayerNorm")
        norm(f"{layer}.output.LayerNorm")
    header, place = {}, 0
    for name, shape in shapes.items():
        size = 2 * shape[0] * (shape[1] if len(shape) == 2 else 1)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in header.values():
            start, end = tensor["data_offsets"]
            file.write(random_bf16((end - start) // 2))
    (folder / "model.part").rename(folder / "model.safetensors")


def run(command: list[str], folder: str) -> tuple[str, int]:
    """What a program prints, and the peak in MB of it and of the workers that it waited for."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    output = process.stdout.read()
    return output, os.wait4(process.pid, 0)[2].ru_maxrss * 1024 // 1_000_000


def train(retort: str, model: Path, memory: str, lora: bool, precision: str, batch: int, more: dict, queries: int) -> str:
    texts, draw = make_texts(model, 4 * queries, 10, 120, 3), random.Random(3)
    with tempfile.TemporaryDirectory() as folder:
        with open(Path(folder) / "scores.jsonl", "w") as file:
            for number in range(queries):
                query, *passages = texts[4 * number:4 * number + 4]
                candidates = [{"id": f"p{number}-{at}", "text": text, "label": int(at == 0), "logit": 4 - 8 * (at > 0),
                               "source": "positive" if at == 0 else "random", "score": draw.random()}
                              for at, text in enumerate(passages)]
                file.write(json.dumps({"id": f"q{number}", "query": query, "candidates": candidates}) + "\n")
        settings = {"K": 3, "epochs": 1, "batch_size": batch, "lr": 1e-4, "contrastive": "infonce", "keep": "last"} | more
        if lora:
            settings["lora"] = {"r": 16, "alpha": 32, "dropout": 0.1}
        stage = {"uses": "distill", "in": {"base": str(model.resolve()), "scores": "scores.jsonl"}, "with": settings,
                 "precision": precision}
        pipeline = {"version": 1, "defaults": {"threads": 2, "seed": 1, "memory": memory}, "stages": {"student": stage}}
        (Path(folder) / "memory.yaml").write_text(json.dumps(pipeline))
        output, peak = run([retort, "run", "memory.yaml", "--store", "store", "--profile", "--json"], folder)
        events = [json.loads(line) for line in output.splitlines()]
        failures = [event["message"].splitlines() for event in events if event["event"] == "failed"]
        if failures:
            return next((line.strip() for line in failures[0] if "error: " in line), failures[0][0])[:110]
        profile = next(event["profile"] for event in events if event["event"] == "profile")
        rehearsals = [item for item in profile["operations"] if item["name"] == "rehearsal"]
        each = "".join(f", {item['calls']} rehearsals of {1000 * item['seconds'] / item['calls']:.2f} ms"
                       for item in rehearsals)
        return f"peak {peak} MB, {profile['seconds']:.1f} s{each}"


def embed(retort: str, model: Path, precision: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "texts.txt").write_text("\n".join(make_texts(model, 8, 10, 120, 5)))
        output, peak = run([retort, "vectors", str(model.resolve()), "texts.txt", "--summary", "--threads", "2",
                            "--precision", precision], folder)
        summary = json.loads(output)
        return (f"peak {peak} MB, loaded in {summary['loadSeconds']:.2f} s, "
                f"embedded in {summary['embedSeconds']:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--retort", nargs="+", default=["retort"])
    parser.add_argument("--large", type=Path)
    options = parser.parse_args()
    for case in CASES:
        memory, lora, precision, batch, more = case
        for retort in options.retort:
            what = f"{'LoRA' if lora else 'all weights'}, {precision}, batch {batch}{', dropout' if more else ''}"
            print(f"memory {memory}, {what}, {retort}: {train(retort, options.model, *case, queries=64)}", flush=True)
    if options.large:
        options.large.mkdir(parents=True, exist_ok=True)
        make_large(options.model, options.large)
        for precision in ("fp32", "bf16"):
            for retort in options.retort:
                print(f"2.5 GB of bf16, {precision}, {retort}: {embed(retort, options.large, precision)}", flush=True)
        for retort in options.retort:
            large = ("7GB", True, "bf16", 4, {"max_len": 64})
            print(f"the same, LoRA in 7GB, {retort}: {train(retort, options.large, *large, queries=4)}", flush=True)


if __name__ == "__main__":
    main()
