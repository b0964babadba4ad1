"""What the benchmarks of the engine share: the same texts for both sides, alternating processes, medians, ratios."""
import contextlib
import itertools
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

# How PyTorch runs: fp32, autocast to bf16, or bf16 weights; eager or compiled; a batch padded as a whole, or texts of
# like length together.
SETTINGS = ["-".join(parts) for parts in itertools.product(
    ["fp32", "autocast", "bf16"], ["eager", "compiled"], ["padded", "bucketed"])]


class Refused(Exception):
    """A program cannot run here as it was asked to."""


class TorchSetting:
    """What `--run`, one of SETTINGS, asks of PyTorch, with `--threads` and `--seed`, which are set. Raises Refused."""

    def __init__(self, options) -> None:
        import torch

        dtype, compiling, batching = options.run.split("-")
        if dtype != "fp32" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            raise Refused("PyTorch says that oneDNN has no bf16 on this processor")
        torch.set_num_threads(options.threads)
        torch.manual_seed(options.seed)
        self.weights = torch.bfloat16 if dtype == "bf16" else torch.float32
        self.autocast = torch.autocast("cpu", torch.bfloat16) if dtype == "autocast" else contextlib.nullcontext()
        self.is_compiled = compiling == "compiled"
        self.is_bucketed = batching == "bucketed"
        self.warm_up = options.warm_up if self.is_compiled else 2  # steps before the clock starts

    def forward_of(self, model):
        import torch

        return torch.compile(model, dynamic=True) if self.is_compiled else model


def print_result(run: Callable[[], dict]) -> None:
    """A run's figures as a JSON line, or why it was refused."""
    try:
        result = run()
    except Refused as refused:
        result = {"refused": str(refused)}
    print(json.dumps(result))


def whole_words(model: Path) -> list[str]:
    """Words that the model's vocabulary has as one piece, so that both sides see the same ids."""
    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    if isinstance(vocabulary, list):  # Unigram: words bear a mark
        vocabulary = [piece[1:] for piece, _ in vocabulary if piece.startswith("▁")]
    return sorted(word for word in vocabulary if word.isascii() and word.isalpha())


def make_texts(model: Path, count: int, shortest: int, longest: int, seed: int) -> list[str]:
    """Random whole words; a text has `shortest` to `longest` tokens, [CLS] and [SEP] among them."""
    words, draw = whole_words(model), random.Random(seed)
    return [" ".join(draw.choices(words, k=draw.randint(shortest - 2, longest - 2))) for _ in range(count)]


def tokens_in(texts: list[str]) -> int:
    return sum(len(text.split()) + 2 for text in texts)


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def peak_of_children_mb() -> int:
    """Of the largest of the processes that were run and waited for, and of those that they waited for."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024


def run_pipeline(retort: str, stages: dict, folder: Path, threads: int, seed: int = 7) -> tuple[dict, list[dict]]:
    """Runs a pipeline in a new store. Returns the profile of each stage by name, and all events with their times."""
    file = folder / "bench.yaml"
    file.write_text(json.dumps({"version": 1, "defaults": {"threads": threads, "seed": seed}, "stages": stages}))
    command = [retort, "run", str(file), "--store", str(folder / "store"), "--profile", "--json"]
    events = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            events.append(json.loads(line) | {"time": time.perf_counter()})
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with code {process.returncode}")
    return {event["stage"]: event["profile"] for event in events if event["event"] == "profile"}, events


def rate_of_steps(events: list[dict], tokens: float, steps: int) -> float:
    """Tokens a second from the end of the second step to the end of the last."""
    times = [(event["done"], event["time"]) for event in events if event["event"] == "progress"]
    (first, began), (last, ended) = next(at for at in times if at[0] >= 2), times[-1]
    return tokens * (last - first) / steps / (ended - began)


def alternate(names: list[str], rounds: int) -> dict[str, list[dict]]:
    """Runs this script anew for each name and round (`--run NAME`), so that peak memory is that run's. A run may refuse,
    `{"refused": reason}`, and is not asked again."""
    results: dict[str, list[dict]] = {}
    refused = set()
    for _ in range(rounds):
        for name in names:
            if name in refused:
                continue
            done = subprocess.run([sys.executable, *sys.argv, "--run", name], stdout=subprocess.PIPE, text=True)
            if done.returncode != 0:
                sys.exit(f"{name} failed with code {done.returncode}")
            result = {"program": name} | json.loads(done.stdout.splitlines()[-1])
            print(json.dumps(result), flush=True)
            if "refused" in result:
                refused.add(name)
            else:
                results.setdefault(name, []).append(result)
    return results


def medians(results: dict[str, list[dict]]) -> dict[str, dict]:
    return {name: {key: statistics.median(run[key] for run in runs) for key, value in runs[0].items()
                   if isinstance(value, (int, float))} for name, runs in results.items()}


def conclude(results: dict[str, list[dict]], key: str, higher_is_better: bool = True, ours: str = "retort") -> None:
    """Prints medians, and the ratios of each of Retort's programs to the best of the others."""
    median = medians(results)
    others = [name for name in median if not name.startswith(ours)]
    summary: dict = {"medians": median}
    if others:
        best = (max if higher_is_better else min)(others, key=lambda name: median[name][key])
        summary |= {"best_peer": best, "ratios_to_best_peer": {
            name: {at: round(median[name][at] / median[best][at], 3) for at in median[best] if median[best][at] and at in median[name]}
            for name in median if name.startswith(ours)}}
    print(json.dumps(summary, indent=2))
