"""Batches larger than memory: Retort's dual-encoder with GradCache beside sentence-transformers' CachedMultipleNegativesRankingLoss.

  python large_batch.py MODEL [--pairs 512] [--memory 2GB] [--method lora|full] [--retort retort] [--rounds 3] [--steps 3] [--threads 2]

The same batches on both sides, cosines over τ = 0.05, AdamW, gradients clipped to 1, no dropout; a text has 10 to 120
tokens. Retort gets `memory`, which the runner enforces, and cuts the batch to fit by itself; sentence-transformers takes the
mini-batches of --mini-batch texts, in fp32 or autocast to bf16. Tokens/s count real tokens from the end of the first step to
the end of the last; the peak is the whole process's. Prints a JSON line per run, then medians and ratios. Needs
sentence-transformers, peft.
"""
import argparse
import json
import tempfile
import time
from pathlib import Path

from side_by_side import (
    SETTINGS, TorchSetting, alternate, conclude, make_texts, peak_mb, peak_of_children_mb, print_result, run_pipeline,
    tokens_in)

OURS, RANK, TEMPERATURE, RATE = ["retort", "retort-bf16"], 16, 0.05, {"lora": 1e-3, "full": 2e-5}
THEIRS = ["fp32-eager-padded", "autocast-eager-padded"]
assert set(THEIRS) <= set(SETTINGS)


def make_batches(options: argparse.Namespace) -> list[list[str]]:
    """Of each step the queries, then their passages."""
    texts = make_texts(options.model, 2 * options.pairs * options.steps, 10, 120, options.seed)
    return [texts[at:at + 2 * options.pairs] for at in range(0, len(texts), 2 * options.pairs)]


def run_retort(options: argparse.Namespace) -> dict:
    batches = make_batches(options)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        with open(folder / "groups.jsonl", "w") as file:
            for step, batch in enumerate(batches):
                for place, (query, passage) in enumerate(zip(batch[:options.pairs], batch[options.pairs:])):
                    name = f"{step}-{place}"
                    file.write(json.dumps({"id": name, "query": query, "positives": [{"id": name, "text": passage}],
                                           "negatives": []}) + "\n")
        parameters = {"loss": "mnr", "epochs": 1, "batch_size": options.pairs, "lr": RATE[options.method], "keep": "last",
                      "temperature": {"init": TEMPERATURE, "learn": False}, "weight_decay": 0.01}
        if options.method == "lora":
            parameters["lora"] = {"r": RANK, "alpha": 2 * RANK, "dropout": 0}
        profiles, events = run_pipeline(options.retort, {"student": {
            "uses": "dual-encoder", "precision": "bf16" if options.run == "retort-bf16" else "fp32", "memory": options.memory,
            "in": {"base": str(options.model.resolve()), "train": "groups.jsonl"}, "with": parameters}},
            folder, options.threads, options.seed)
    ends = [event["time"] for event in events if event["event"] == "progress"]
    return figures(options, batches, ends[-1] - ends[0], len(ends) - 1, peak_of_children_mb())


def run_torch(options: argparse.Namespace) -> dict:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

    setting = TorchSetting(options)
    model = SentenceTransformer(str(options.model), device="cpu", config_kwargs={
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
    if options.method == "lora":
        from peft import LoraConfig

        model.add_adapter(LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules="all-linear"))
    loss = CachedMultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE, mini_batch_size=options.mini_batch)
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=RATE[options.method])
    batches, ends = make_batches(options), []
    for batch in batches:
        features = [model.preprocess(batch[:options.pairs]), model.preprocess(batch[options.pairs:])]
        optimizer.zero_grad()
        with setting.autocast:
            value = loss(features, None)
            value.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        ends.append(time.perf_counter())
    return figures(options, batches, ends[-1] - ends[0], len(ends) - 1, peak_mb())


def figures(options: argparse.Namespace, batches: list[list[str]], seconds: float, steps: int, peak: int) -> dict:
    tokens = sum(map(tokens_in, batches[1:]))
    return {"method": options.method, "pairs": options.pairs, "steps_timed": steps, "seconds_per_step": round(seconds / steps, 2),
            "tokens_per_second": round(tokens / seconds, 1), "peak_rss_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a sentence-transformers folder")
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--mini-batch", type=int, default=32)
    parser.add_argument("--method", choices=["lora", "full"], default="lora")
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--programs", nargs="+", choices=[*OURS, *THEIRS], default=[*OURS, *THEIRS])
    parser.add_argument("--run", choices=[*OURS, *THEIRS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return print_result(lambda: run_retort(options) if options.run in OURS else run_torch(options))
    conclude(alternate(options.programs, options.rounds), "tokens_per_second")


main()
