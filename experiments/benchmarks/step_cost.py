"""What a training step costs as the batch, the length of the texts and the layers grow: linear where it should be.

  python step_cost.py [--retort retort] [--threads 2] [--steps 8] [--hidden 384]

A new BERT of `init` (hidden 384, 12 heads, inner 1536) is trained with LoRA of rank 16 by `distill`, on texts of one
length. From the middle of each row (64 texts of 64 tokens, 4 layers) one thing varies. Milliseconds a step are the
median of the steps after the second; `per_token_us` should stay where it is as the batch grows, and grow with the length
only by attention's quadratic part. Prints a table.
"""
import argparse
import json
import random
import statistics
import tempfile
from pathlib import Path

from side_by_side import run_pipeline

K = 3


def measure(options: argparse.Namespace, batch: int, length: int, layers: int) -> tuple[float, int]:
    draw = random.Random(7)
    words = [chr(0xAC00 + at) for at in range(2000)]  # syllables, each of which becomes one token of the vocabulary

    def text() -> str:
        return " ".join(draw.choices(words, k=length - 2))

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "texts.jsonl").write_text("".join(json.dumps({"id": str(at), "text": " ".join(words)}) + "\n" for at in range(2)))
        with open(folder / "scores.jsonl", "w") as file:
            for number in range(options.steps * batch // (1 + K)):
                candidates = [{"id": f"p{number}-{place}", "text": text(), "label": int(place == 0),
                               "source": "positive" if place == 0 else "random", "logit": 4.0 - 8 * (place > 0),
                               "score": 0.982 if place == 0 else 0.018} for place in range(K)]
                file.write(json.dumps({"id": f"q{number}", "query": text(), "candidates": candidates}) + "\n")
        _, events = run_pipeline(options.retort, {
            "base": {"uses": "init", "in": {"texts": "texts.jsonl"}, "with": {
                "vocab_size": 8000, "hidden_size": options.hidden, "num_hidden_layers": layers,
                "num_attention_heads": 12, "intermediate_size": 4 * options.hidden, "max_position_embeddings": 512}},
            "student": {"uses": "distill", "in": {"base": "base.model", "scores": "scores.jsonl"}, "with": {
                "K": K, "epochs": 1, "batch_size": batch // (1 + K), "max_len": 512, "keep": "last",
                "lora": {"r": 16, "alpha": 32, "dropout": 0.1}}}}, folder, options.threads)
    times = [event["time"] for event in events if event["event"] == "progress" and event["stage"] == "student"]
    steps = [later - earlier for earlier, later in zip(times[1:], times[2:])]
    return 1000 * statistics.median(steps), batch * length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=384)
    options = parser.parse_args()
    print(f"{'batch':>6}{'length':>8}{'layers':>8}{'ms a step':>12}{'per_token_us':>14}{'of the middle':>15}")
    cases = [(batch, 64, 4) for batch in (16, 32, 64, 128)] + [(64, length, 4) for length in (16, 32, 128, 256)] + [
        (64, 64, layers) for layers in (1, 2, 8)]
    middle = measure(options, 64, 64, 4)[0]
    for batch, length, layers in cases:
        milliseconds, tokens = (middle, 64 * 64) if (batch, length, layers) == (64, 64, 4) else measure(options, batch, length, layers)
        print(f"{batch:>6}{length:>8}{layers:>8}{milliseconds:>12.1f}{1000 * milliseconds / tokens:>14.2f}{milliseconds / middle:>14.2f}×",
              flush=True)


main()
