"""A cross-encoder teacher from all-MiniLM-L6-v2, trained and scoring, Retort beside PyTorch: the same pairs, alternating.

  python cross_encoder.py MODEL [--work training|scoring] [--method lora|full] [--retort retort] [--rounds 5]
                          [--precision fp32|int8] [--steps 20] [--queries 200] [--threads 2]
                          [--torch-settings fp32-eager-bucketed …]

A pair is a query of 8 to 30 tokens and a passage of 10 to 200, whole words of the model's vocabulary. Training: batches
of 32 pairs, one positive and three negatives a query, BCE on one logit, AdamW, LoRA of rank 16 on every linear layer or
all weights, a new head, the model's own dropout off on both sides. Scoring: 4 pairs a query with the trained model;
PyTorch sorts by length and pads batches of 32. PyTorch runs fp32, autocast or bf16 weights, eager or compiled; in
training a batch padded as a whole or as two passes over pairs of like length. Tokens/s count real tokens, never padding:
in training from the end of the second step (compiled: of step `--warm-up`) to the last; in scoring over the stage
without loading. `stage_seconds` are the whole stage. Prints a JSON line per run, then medians and ratios. Needs torch,
transformers, peft.
"""
import argparse
import json
import tempfile
import time
from pathlib import Path

from side_by_side import (
    SETTINGS, TorchSetting, alternate, conclude, make_texts, peak_mb, peak_of_children_mb, print_result, rate_of_steps,
    run_pipeline)

BATCH, PAIRS, RANK = 32, 4, 16


def make_groups(options: argparse.Namespace, count: int) -> list[tuple[str, list[str]]]:
    queries = make_texts(options.model, count, 8, 30, options.seed)
    passages = make_texts(options.model, count * PAIRS, 10, 200, options.seed + 1)
    return [(query, passages[at * PAIRS:(at + 1) * PAIRS]) for at, query in enumerate(queries)]


def tokens_in(pairs: list[tuple[str, str]]) -> int:
    return sum(len(query.split()) + len(passage.split()) + 3 for query, passage in pairs)


def all_pairs(groups: list[tuple[str, list[str]]]) -> list[tuple[str, str]]:
    return [(query, passage) for query, passages in groups for passage in passages]


def run_retort(options: argparse.Namespace) -> dict:
    trained = make_groups(options, options.steps * BATCH // PAIRS)
    scored = make_groups(options, options.queries)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        with open(folder / "groups.jsonl", "w") as file:
            for number, (query, passages) in enumerate(trained):
                named = [{"id": f"p{number}-{place}", "text": text} for place, text in enumerate(passages)]
                file.write(json.dumps({"id": f"q{number}", "query": query, "positives": named[:1], "negatives": named[1:]}) + "\n")
        with open(folder / "candidates.jsonl", "w") as file:
            for number, (query, passages) in enumerate(scored):
                named = [{"id": f"p{number}-{place}", "text": text, "label": int(place == 0),
                          "source": "positive" if place == 0 else "random"} for place, text in enumerate(passages)]
                file.write(json.dumps({"id": f"q{number}", "query": query, "candidates": named}) + "\n")
        parameters = {"epochs": 1, "batch_size": BATCH, "lr": 2e-5, "keep": "last"}
        if options.method == "lora":
            parameters["lora"] = {"r": RANK, "alpha": 2 * RANK, "dropout": 0.1}
        stages = {"teacher": {"uses": "teacher", "in": {"base": str(options.model.resolve()), "train": "groups.jsonl"},
                              "with": parameters}}
        if options.work == "scoring":
            stages["scored"] = {"uses": "score", "precision": options.precision,
                                "in": {"teacher": "teacher.model", "candidates": "candidates.jsonl"}}
        profiles, events = run_pipeline(options.retort, stages, folder, options.threads, options.seed)
    if options.work == "scoring":
        profile = profiles["scored"]
        loading = sum(part["seconds"] for part in profile["operations"] if part["name"] == "loading")
        rate = tokens_in(all_pairs(scored)) / (profile["seconds"] - loading)
        return figures(options, rate, profile["seconds"], peak_of_children_mb())
    rate = rate_of_steps(events, tokens_in(all_pairs(trained)), options.steps)
    return figures(options, rate, profiles["teacher"]["seconds"], peak_of_children_mb())


def run_torch(options: argparse.Namespace) -> dict:
    import torch
    import torch.nn.functional as F
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    start = time.perf_counter()
    setting = TorchSetting(options)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForSequenceClassification.from_pretrained(
        options.model, num_labels=1, dtype=setting.weights, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)

    def encode(pairs):
        return tokenizer([query for query, _ in pairs], [passage for _, passage in pairs], padding=True, truncation=True,
                         max_length=256, return_tensors="pt")

    if options.work == "scoring":
        model.eval()
        forward = setting.forward_of(model)
        pairs = all_pairs(make_groups(options, options.queries))
        if setting.is_bucketed:
            pairs.sort(key=lambda pair: len(pair[0]) + len(pair[1]))
        with torch.inference_mode(), setting.autocast:
            for at in range(0, min(BATCH * setting.warm_up, len(pairs)), BATCH):
                forward(**encode(pairs[at:at + BATCH]))
            began = time.perf_counter()
            for at in range(0, len(pairs), BATCH):
                torch.sigmoid(forward(**encode(pairs[at:at + BATCH])).logits.float())
        ended = time.perf_counter()
        return figures(options, tokens_in(pairs) / (ended - began), ended - start, peak_mb())

    if options.method == "lora":
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=0.1, task_type="SEQ_CLS",
                                                 target_modules="all-linear"))
    model.train()
    forward = setting.forward_of(model)
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=2e-5)
    pairs = all_pairs(make_groups(options, options.steps * BATCH // PAIRS))
    labels = [float(at % PAIRS == 0) for at in range(len(pairs))]
    for step in range(options.steps):
        chosen = list(range(step * BATCH, (step + 1) * BATCH))
        if setting.is_bucketed:
            chosen.sort(key=lambda at: len(pairs[at][0]) + len(pairs[at][1]))
        parts = [chosen[:BATCH // 2], chosen[BATCH // 2:]] if setting.is_bucketed else [chosen]
        optimizer.zero_grad()
        for part in parts:
            with setting.autocast:
                logits = forward(**encode([pairs[at] for at in part])).logits.float().squeeze(-1)
            loss = F.binary_cross_entropy_with_logits(logits, torch.tensor([labels[at] for at in part]), reduction="sum")
            (loss / BATCH).backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        if step == setting.warm_up - 1:
            began = time.perf_counter()
    seconds = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
    return figures(options, tokens_in(pairs[setting.warm_up * BATCH:]) / seconds, time.perf_counter() - start, peak_mb())


def figures(options: argparse.Namespace, tokens_per_second: float, stage: float, peak: int) -> dict:
    return {"work": options.work, "method": options.method, "threads": options.threads,
            "tokens_per_second": round(tokens_per_second, 1), "stage_seconds": round(stage, 2), "peak_rss_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--work", choices=["training", "scoring"], default="training")
    parser.add_argument("--method", choices=["lora", "full"], default="lora")
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--precision", choices=["fp32", "int8"], default="fp32", help="of Retort's scoring")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--queries", type=int, default=200, help="to score, 4 pairs each")
    parser.add_argument("--warm-up", type=int, default=5, help="steps that a compiled model is given before it is timed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--torch-settings", nargs="*", choices=SETTINGS, default=SETTINGS)
    parser.add_argument("--run", choices=["retort", *SETTINGS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work == "training" and options.steps <= max(2, options.warm_up):
        parser.error("--steps must be more than --warm-up and more than 2")
    if options.run:
        print_result(lambda: run_retort(options) if options.run == "retort" else run_torch(options))
    else:
        conclude(alternate(["retort", *options.torch_settings], options.rounds), "tokens_per_second")


main()
