"""Training of all-MiniLM-L6-v2, Retort beside PyTorch (+ PEFT): the same texts, batches of 64, alternating runs.

  python lora_training.py MODEL [--method lora|full] [--retort retort] [--rounds 5] [--steps 20] [--threads 2]
                          [--programs retort retort-bf16] [--torch-settings fp32-eager-bucketed …] [--shape e5-small|e5-large]

`--shape` takes MODEL's tokenizer alone, and random weights of a BERT of that shape.

`lora`: rank 16 on every linear layer, dropout 0.1; `full`: all weights. AdamW, gradients clipped to 1, the model's own
dropout off on both sides; a batch is 16 queries with 3 candidates each, the loss InfoNCE over its passages (with Retort
plus its listwise KL). A text has 10 to 120 tokens, all of them whole words of the model's vocabulary, so that both sides
see the same ids. PyTorch runs fp32, autocast to bf16, or bf16 weights; eager or compiled; a batch padded as a whole, or
as four passes over texts of like length. bf16 is refused where the processor has no instructions for it. Tokens/s count
real tokens, never padding, from the end of the second step to the end of the last (a compiled model's compilation falls
into the steps before, `--warm-up` of them); `stage_seconds` are the whole stage with loading, tokenizing and saving, as a
user waits. `retort` computes in fp32, `retort-bf16` with `precision: bf16`. Prints a JSON line per run, then medians and ratios. Needs torch, transformers, peft, tokenizers.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from side_by_side import (
    SETTINGS, TorchSetting, alternate, conclude, make_texts, peak_mb, peak_of_children_mb, print_result, rate_of_steps,
    run_pipeline, tokens_in)

QUERIES, K, RANK, TEMPERATURE = 16, 3, 16, 0.05
OURS = ["retort", "retort-bf16"]
SHAPES = {"e5-small": (12, 384, 12), "e5-large": (24, 1024, 16)}  # layers, width, heads


def make_model(tokenizer: Path, folder: Path, layers: int, width: int, heads: int) -> None:
    """A folder of a BERT with random weights: a process of its own, whose memory does not count."""
    code = f"""
from transformers import AutoTokenizer, BertConfig, BertModel
tokenizer = AutoTokenizer.from_pretrained({str(tokenizer)!r})
BertModel(BertConfig(vocab_size=len(tokenizer), num_hidden_layers={layers}, hidden_size={width}, num_attention_heads={heads},
                     intermediate_size={4 * width})).save_pretrained({str(folder)!r})
tokenizer.save_pretrained({str(folder)!r})
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def make_groups(options: argparse.Namespace) -> list[list[str]]:
    """A query and K passages each."""
    texts = make_texts(options.model, options.steps * QUERIES * (1 + K), 10, 120, options.seed)
    return [texts[at:at + 1 + K] for at in range(0, len(texts), 1 + K)]


def rate(options: argparse.Namespace) -> float:
    return 1e-3 if options.method == "lora" else 2e-5


def run_retort(options: argparse.Namespace) -> dict:
    groups = make_groups(options)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        with open(folder / "scores.jsonl", "w") as file:
            for number, (query, *passages) in enumerate(groups):
                candidates = [{"id": f"p{number}-{place}", "text": text, "label": int(place == 0),
                               "source": "positive" if place == 0 else "random",
                               "logit": 4.0 if place == 0 else -4.0, "score": 0.982 if place == 0 else 0.018}
                              for place, text in enumerate(passages)]
                file.write(json.dumps({"id": f"q{number}", "query": query, "candidates": candidates}) + "\n")
        parameters = {"K": K, "epochs": 1, "batch_size": QUERIES, "lr": rate(options), "contrastive": "infonce",
                      "contrastive_weight": 1, "negative_penalty_weight": 0, "keep": "last"}
        if options.method == "lora":
            parameters["lora"] = {"r": RANK, "alpha": 2 * RANK, "dropout": 0.1}
        profiles, events = run_pipeline(options.retort, {"student": {
            "uses": "distill", "precision": "bf16" if options.run == "retort-bf16" else "fp32", "in": {"base": str(options.model.resolve()), "scores": "scores.jsonl"},
            "with": parameters}}, folder, options.threads, options.seed)
    tokens = tokens_in([text for group in groups for text in group])
    return figures(options, rate_of_steps(events, tokens, options.steps), profiles["student"]["seconds"], peak_of_children_mb())


def run_torch(options: argparse.Namespace) -> dict:
    import torch
    import torch.nn.functional as F
    from transformers import AutoModel, AutoTokenizer

    start = time.perf_counter()
    setting = TorchSetting(options)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModel.from_pretrained(
        options.model, dtype=setting.weights, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    if options.method == "lora":
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(model, LoraConfig(
            r=RANK, lora_alpha=2 * RANK, lora_dropout=0.1, target_modules="all-linear"))
    model.train()
    forward = setting.forward_of(model)
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=rate(options))

    def embed(texts: list[str]) -> torch.Tensor:
        # `bucketed`: four forward passes over texts of like length, which leaves little padding in any.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i])) if setting.is_bucketed else range(len(texts))
        size = len(texts) // 4 if setting.is_bucketed else len(texts)
        parts = []
        for at in range(0, len(texts), size):
            batch = tokenizer([texts[i] for i in order[at:at + size]], padding=True, return_tensors="pt")
            hidden = forward(**batch).last_hidden_state.float()  # [texts, width, hidden]
            mask = batch["attention_mask"].unsqueeze(-1).float()
            parts.append((hidden * mask).sum(1) / mask.sum(1))
        vectors = F.normalize(torch.cat(parts), dim=-1)
        back = torch.empty(len(texts), dtype=torch.long)
        back[torch.tensor(list(order))] = torch.arange(len(texts))
        return vectors[back]

    groups = make_groups(options)
    for step in range(options.steps):
        batch = groups[step * QUERIES:(step + 1) * QUERIES]
        texts = [group[0] for group in batch] + [text for group in batch for text in group[1:]]
        with setting.autocast:
            vectors = embed(texts)
        scores = vectors[:QUERIES] @ vectors[QUERIES:].T / TEMPERATURE
        loss = F.cross_entropy(scores, torch.arange(QUERIES) * K)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        if step == setting.warm_up - 1:
            began = time.perf_counter()
    seconds = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
    tokens = tokens_in([text for group in groups[setting.warm_up * QUERIES:] for text in group])
    return figures(options, tokens / seconds, time.perf_counter() - start, peak_mb())


def figures(options: argparse.Namespace, tokens_per_second: float, stage: float, peak: int) -> dict:
    return {"method": options.method, "threads": options.threads, "steps": options.steps,
            "tokens_per_second": round(tokens_per_second, 1), "stage_seconds": round(stage, 2), "peak_rss_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--method", choices=["lora", "full"], default="lora")
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=5, help="steps that a compiled model is given before it is timed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--programs", nargs="+", choices=OURS, default=OURS)
    parser.add_argument("--torch-settings", nargs="*", choices=SETTINGS, default=SETTINGS)
    parser.add_argument("--shape", choices=SHAPES)
    parser.add_argument("--shaped", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run", choices=[*OURS, *SETTINGS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps <= max(2, options.warm_up):
        parser.error("--steps must be more than --warm-up and more than 2")
    if options.run:
        options.model = options.shaped or options.model
        print_result(lambda: run_retort(options) if options.run in OURS else run_torch(options))
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.shape:
            make_model(options.model, Path(folder), *SHAPES[options.shape])
            sys.argv += ["--shaped", folder]
        conclude(alternate([*options.programs, *options.torch_settings], options.rounds), "tokens_per_second")


main()
