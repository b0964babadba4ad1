"""The PyTorch + PEFT side of "LoRA training of all-MiniLM-L6-v2": prints tokens/s and peak memory as JSON.

  python lora_training.py MODEL [--threads 2] [--steps 20] [--dtype fp32|autocast|bf16] [--batching padded|bucketed]

Rank 16 on every linear layer, batches of 64 texts (32 queries, 32 passages), in-batch InfoNCE, AdamW. Text i has
10 + (37·i mod 111) tokens; its j-th token between [CLS] and [SEP] is 1000 + ((7919·i + 104729·j) mod 28000):
whoever compares can make the same batches. `padded` takes texts in order, `bucketed` sorts all of them by length
first, which leaves almost no padding. Only real tokens count; the warm-up steps are not timed.
"""
import argparse
import contextlib
import json
import resource
import time

import peft
import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from transformers import AutoModel

BATCH, RANK, TEMPERATURE, CLS, SEP = 64, 16, 0.05, 101, 102


def text(i: int) -> list[int]:
    length = 10 + 37 * i % 111
    return [CLS, *(1000 + (7919 * i + 104729 * j) % 28000 for j in range(length - 2)), SEP]


def make_batches(count: int, batching: str) -> list[dict]:
    texts = [text(i) for i in range(count * BATCH)]
    if batching == "bucketed":
        texts.sort(key=len)
    batches = []
    for start in range(0, len(texts), BATCH):
        rows = texts[start:start + BATCH]
        width = max(map(len, rows))
        batches.append({"input_ids": torch.tensor([row + [0] * (width - len(row)) for row in rows]),
                        "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])})
    order = torch.randperm(count).tolist()  # so that the warm-up does not take the short batches
    return [batches[i] for i in order]


def embed(model: torch.nn.Module, batch: dict) -> torch.Tensor:
    hidden = model(**batch).last_hidden_state.float()  # [texts, width, hidden]
    mask = batch["attention_mask"].unsqueeze(-1).float()
    return F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--dtype", choices=["fp32", "autocast", "bf16"], default="fp32")
    parser.add_argument("--batching", choices=["padded", "bucketed"], default="padded")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)

    base = AutoModel.from_pretrained(options.model, dtype=torch.bfloat16 if options.dtype == "bf16" else torch.float32)
    model = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=options.dropout,
                                            target_modules="all-linear"))
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.lr)
    forward = torch.compile(model, dynamic=True) if options.compile else model
    autocast = torch.autocast("cpu", torch.bfloat16) if options.dtype == "autocast" else contextlib.nullcontext()
    batches = make_batches(options.warmup + options.steps, options.batching)

    for step, batch in enumerate(batches):
        if step == options.warmup:
            start = time.perf_counter()
        with autocast:
            vectors = embed(forward, batch)
        queries, passages = vectors.chunk(2)
        loss = F.cross_entropy(queries @ passages.T / TEMPERATURE, torch.arange(len(queries)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    seconds = time.perf_counter() - start

    timed = batches[options.warmup:]
    tokens = sum(int(batch["attention_mask"].sum()) for batch in timed)
    print(json.dumps({
        "program": f"torch {torch.__version__}, peft {peft.__version__}", "threads": options.threads,
        "dtype": options.dtype, "batching": options.batching, "compiled": options.compile, "steps": options.steps,
        "trained_parameters": sum(parameter.numel() for parameter in trained), "tokens": tokens,
        "padding_share": round(1 - tokens / sum(batch["input_ids"].numel() for batch in timed), 4),
        "seconds": round(seconds, 2), "tokens_per_second": round(tokens / seconds, 1),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "last_loss": round(loss.item(), 4),
    }))


main()
