"""QLoRA steps of a Qwen3 shape, Retort beside bitsandbytes with PEFT: the same codes, adapters and texts, alternating runs.

  python qlora.py TOKENIZER [--retort retort] [--shape 0.6B] [--type nf4] [--rounds 3] [--steps 20] [--threads 2] [--programs retort …]

A model of the shape is drawn at random (random_model.py), with TOKENIZER's files, and quantized once by Retort: NF4, blocks
of 64, double quantization, or with `--type int8` row by row, as LLM.int8. Both sides train adapters of rank 16 on every linear layer of that folder, without dropout,
from the same numbers; a batch is two pairs of a short query and a passage of 253 words, 512 tokens in all, the loss InfoNCE
in the batch with τ 0.05; every step has the same two, so that no order differs. AdamW, clipped to 1. `retort` computes in fp32, `retort-bf16` with `precision: bf16`; bitsandbytes
with its compute dtype fp32 or bf16. Seconds per step are the mean (of bitsandbytes the median) from the third step on; peaks are those of the
process that trains; losses are step by step. Prints a JSON line per run, then medians, ratios, and the largest difference of
losses in fp32, where bitsandbytes decodes to fp32 forwards, and backwards to the folder's bf16. Needs torch, transformers, peft, bitsandbytes, accelerate.
"""
import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from side_by_side import alternate, conclude, peak_mb, peak_of_children_mb, rate_of_steps, run_pipeline, whole_words

RANK, TEMPERATURE, RATE, PAIRS, DECAY = 16, 0.05, 1e-4, 2, 0.01
PROGRAMS = ["retort", "retort-bf16", "bitsandbytes", "bitsandbytes-bf16"]


def pairs(options: argparse.Namespace) -> list[tuple[str, str]]:
    words, draw = whole_words(options.tokenizer), random.Random(7)
    # Two equal queries would not be in one batch.
    return [(query, " ".join(draw.choices(words, k=options.length))) for query in draw.sample(words, PAIRS)]


def parameters(options: argparse.Namespace, epochs: int) -> dict:
    return {"loss": "mnr", "num_negatives": 0, "epochs": epochs, "batch_size": PAIRS, "lr": RATE, "max_len": 512,
            "schedule": "constant", "warmup_ratio": 0, "weight_decay": DECAY, "keep": "last", "pooling": "last_token",
            "temperature": {"init": TEMPERATURE, "lr": 0}, "similarity": "cosine",
            "lora": {"r": RANK, "alpha": 2 * RANK, "dropout": 0}}


def train(options: argparse.Namespace, folder: Path, epochs: int, precision: str = "fp32") -> list[dict]:
    with open(folder / "groups.jsonl", "w") as file:
        for number, (query, passage) in enumerate(pairs(options)):
            file.write(json.dumps({"id": f"q{number}", "query": query, "negatives": [],
                                   "positives": [{"id": f"p{number}", "text": passage}]}) + "\n")
    stage = {"uses": "dual-encoder", "precision": precision, "with": parameters(options, epochs),
             "in": {"base": str(options.work / "quantized"), "train": "groups.jsonl"}, "publish": str(folder / "trained")}
    return run_pipeline(options.retort, {"student": stage}, folder, options.threads, 7)[1]


def prepare(options: argparse.Namespace) -> None:
    """The quantized model, and a folder of it whose adapters have not trained: their first numbers."""
    here = Path(__file__).parent
    subprocess.run([sys.executable, here / "random_model.py", options.work / "model", "--shape", options.shape,
                    "--tokenizer", options.tokenizer], check=True)
    run_pipeline(options.retort, {"quantized": {
        "uses": "quantize", "with": {"type": options.type}, "in": {"model": str(options.work / "model")},
        "publish": str(options.work / "quantized")}},
        options.work, options.threads)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        train(options, Path(folder), 0)
        (Path(folder) / "trained").rename(options.work / "start")


def run_retort(options: argparse.Namespace) -> dict:
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        events = train(options, Path(folder), options.steps, "bf16" if options.run.endswith("bf16") else "fp32")
    losses = [event["value"] for event in events if event["event"] == "metric" and event.get("name") == "loss"]
    seconds = 1 / rate_of_steps(events, options.steps, options.steps)
    return {"seconds_per_step": round(seconds, 3), "peak_rss_mb": peak_of_children_mb(), "losses": losses}


def run_bitsandbytes(options: argparse.Namespace) -> dict:
    import torch
    import torch.nn.functional as F
    from bitsandbytes.nn import Linear4bit
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(options.threads)
    compute = torch.bfloat16 if options.run.endswith("bf16") else torch.float32
    tokenizer = AutoTokenizer.from_pretrained(options.work / "model")
    model = AutoModel.from_pretrained(options.work / "quantized", device_map="cpu", dtype=compute)
    # The folder's own type counts otherwise, in tables and norms in spite of `dtype`.
    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.compute_dtype, module.compute_type_is_set = compute, True
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(compute)
    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules="all-linear"))
    first = load_file(options.work / "start" / "adapter" / "adapter_model.safetensors")
    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in first.items():
            own[name.replace(".weight", ".default.weight")].copy_(tensor)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY)
    model.train()
    batch, losses, seconds = pairs(options), [], []

    def embed(texts: list[str]) -> torch.Tensor:
        rows = []
        for text in texts:  # without padding
            ids = tokenizer(text, return_tensors="pt")["input_ids"]
            rows.append(model(input_ids=ids).last_hidden_state[0, -1].float())
        return F.normalize(torch.stack(rows), dim=-1)

    for _ in range(options.steps):
        start = time.perf_counter()
        scores = embed([query for query, _ in batch]) @ embed([passage for _, passage in batch]).T / TEMPERATURE
        loss = F.cross_entropy(scores, torch.arange(PAIRS))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
    return {"seconds_per_step": round(statistics.median(seconds[2:]), 3), "peak_rss_mb": peak_mb(), "losses": losses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--shape", default="0.6B")
    parser.add_argument("--type", choices=["nf4", "int8"], default="nf4", help="how the base is quantized")
    parser.add_argument("--length", type=int, default=251, help="words of a passage; the tokenizer adds two")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    parser.add_argument("--work", type=Path, help="where the models are, or will be; absent: a temporary folder")
    parser.add_argument("--run", choices=PROGRAMS)
    options = parser.parse_args()
    if options.run:
        run = run_retort if options.run.startswith("retort") else run_bitsandbytes
        print(json.dumps(run(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.work is None:
            options.work = Path(folder)
            sys.argv += ["--work", folder]
        options.work = options.work.resolve()
        if not (options.work / "start").exists():
            prepare(options)
        results = alternate(options.programs, options.rounds)
    both = [results[name][0]["losses"] for name in ("retort", "bitsandbytes") if name in results]
    if len(both) == 2:
        print(json.dumps({"largest_difference_of_losses": max(abs(a - b) for a, b in zip(*both))}))
    conclude(results, "seconds_per_step", higher_is_better=False)


if __name__ == "__main__":
    main()
