"""LoRA training of all-MiniLM-L6-v2, Retort beside PyTorch + PEFT: the same texts, batches of 64, alternating runs.

  python lora_training.py MODEL [--retort retort] [--rounds 5] [--steps 20] [--threads 2] [--torch-settings …]

Rank 16 on every linear layer, dropout 0.1, AdamW; a batch is 16 queries with 3 candidates each, the loss InfoNCE over
its passages (with Retort plus its listwise KL). A text has 10 to 120 tokens, all of them whole words of the model's
vocabulary, so that both sides see the same ids. Tokens/s count real tokens, never padding, from the end of the second
step to the end of the last; `stage seconds` are the whole stage with loading, tokenizing and saving, as a user waits.
Prints a JSON line per run, then medians and their ratio. Needs torch, transformers, peft, tokenizers.
"""
import argparse
import contextlib
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUERIES, K, RANK, TEMPERATURE = 16, 3, 16, 0.05
SETTINGS = ["fp32-padded", "fp32-bucketed", "autocast-padded", "autocast-bucketed", "bf16-bucketed"]


def make_groups(model: Path, steps: int, seed: int) -> list[list[str]]:
    """A query and K passages each, of random whole words; [CLS] and [SEP] count among a text's tokens."""
    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    words = sorted(word for word in vocabulary if word.isascii() and word.isalpha())
    draw = random.Random(seed)
    return [[" ".join(draw.choices(words, k=draw.randint(8, 118))) for _ in range(1 + K)]
            for _ in range(steps * QUERIES)]


def tokens_in(groups: list[list[str]]) -> int:
    return sum(len(text.split()) + 2 for group in groups for text in group)


def run_retort(options: argparse.Namespace) -> dict:
    groups = make_groups(options.model, options.steps, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        with open(folder / "scores.jsonl", "w") as file:
            for number, (query, *passages) in enumerate(groups):
                candidates = [{"id": f"p{number}-{place}", "text": text, "label": int(place == 0),
                               "source": "positive" if place == 0 else "random",
                               "logit": 4.0 if place == 0 else -4.0, "score": 0.982 if place == 0 else 0.018}
                              for place, text in enumerate(passages)]
                file.write(json.dumps({"id": f"q{number}", "query": query, "candidates": candidates}) + "\n")
        (folder / "bench.yaml").write_text(json.dumps({
            "version": 1, "defaults": {"threads": options.threads, "seed": options.seed},
            "stages": {"student": {
                "uses": "distill", "in": {"base": str(options.model.resolve()), "scores": "scores.jsonl"},
                "with": {"K": K, "epochs": 1, "batch_size": QUERIES, "lr": 1e-3, "contrastive": "infonce",
                         "contrastive_weight": 1, "negative_penalty_weight": 0, "keep": "last",
                         "lora": {"r": RANK, "alpha": 2 * RANK, "dropout": 0.1}}}}}))
        command = [options.retort, "run", str(folder / "bench.yaml"), "--store", str(folder / "store"), "--json"]
        start, times = time.perf_counter(), []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                event = json.loads(line)
                if event["event"] == "progress":
                    times.append((event["done"], time.perf_counter()))
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)} failed with code {process.returncode}")
        whole = time.perf_counter() - start
        usage = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    (first, began), (last, ended) = next(t for t in times if t[0] >= 2), times[-1]
    return report("retort", options, tokens_in(groups) * (last - first) / options.steps, ended - began, whole, usage)


def run_torch(options: argparse.Namespace) -> dict:
    import torch
    import torch.nn.functional as F
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel, AutoTokenizer

    start = time.perf_counter()
    dtype, batching = options.run.split("-")
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    base = AutoModel.from_pretrained(options.model, dtype=torch.bfloat16 if dtype == "bf16" else torch.float32)
    model = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=0.1, target_modules="all-linear"))
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    autocast = torch.autocast("cpu", torch.bfloat16) if dtype == "autocast" else contextlib.nullcontext()

    def embed(texts: list[str]) -> torch.Tensor:
        # `bucketed`: four forward passes over texts of like length, which leaves little padding in any.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i])) if batching == "bucketed" else range(len(texts))
        size = len(texts) // 4 if batching == "bucketed" else len(texts)
        parts = []
        for at in range(0, len(texts), size):
            batch = tokenizer([texts[i] for i in order[at:at + size]], padding=True, return_tensors="pt")
            hidden = model(**batch).last_hidden_state.float()  # [texts, width, hidden]
            mask = batch["attention_mask"].unsqueeze(-1).float()
            parts.append((hidden * mask).sum(1) / mask.sum(1))
        vectors = F.normalize(torch.cat(parts), dim=-1)
        back = torch.empty(len(texts), dtype=torch.long)
        back[torch.tensor(list(order))] = torch.arange(len(texts))
        return vectors[back]

    groups = make_groups(options.model, options.steps, options.seed)
    for step in range(options.steps):
        batch = groups[step * QUERIES:(step + 1) * QUERIES]
        texts = [group[0] for group in batch] + [text for group in batch for text in group[1:]]
        with autocast:
            vectors = embed(texts)
        scores = vectors[:QUERIES] @ vectors[QUERIES:].T / TEMPERATURE
        loss = F.cross_entropy(scores, torch.arange(QUERIES) * K)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        if step == 1:
            began = time.perf_counter()
    ended = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return report(f"torch {options.run}", options, tokens_in(groups[2 * QUERIES:]), ended - began,
                  time.perf_counter() - start, usage)


def report(program: str, options: argparse.Namespace, tokens: float, seconds: float, whole: float, peak: int) -> dict:
    return {"program": program, "threads": options.threads, "steps": options.steps, "tokens": round(tokens),
            "tokens_per_second": round(tokens / seconds, 1), "stage_seconds": round(whole, 2), "peak_rss_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--torch-settings", nargs="+", choices=SETTINGS, default=SETTINGS)
    parser.add_argument("--run", choices=["retort", *SETTINGS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(run_retort(options) if options.run == "retort" else run_torch(options)))
        return
    results: dict[str, list[dict]] = {}
    for _ in range(options.rounds):
        for name in ["retort", *options.torch_settings]:
            # A process of its own each, so that peak memory is that run's.
            done = subprocess.run([sys.executable, *sys.argv, "--run", name], stdout=subprocess.PIPE, text=True, check=True)
            results.setdefault(name, []).append(json.loads(done.stdout))
            print(done.stdout, end="", flush=True)
    median = {name: {key: statistics.median(run[key] for run in runs)
                     for key in ("tokens_per_second", "stage_seconds", "peak_rss_mb")} for name, runs in results.items()}
    best = max(options.torch_settings, key=lambda name: median[name]["tokens_per_second"])
    ratios = {key: round(median["retort"][key] / median[best][key], 2) for key in median[best]}
    print(json.dumps({"medians": median, "best_torch": best, "retort_to_best_torch": ratios}, indent=2))


main()
