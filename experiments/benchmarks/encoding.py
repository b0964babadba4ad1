"""Encoding with all-MiniLM-L6-v2 or multilingual-e5-small, Retort beside sentence-transformers, PyTorch and OpenVINO: the
same texts, alternating processes.

  python encoding.py MODEL [--retort retort] [--rounds 5] [--texts 2000] [--threads 2] [--programs …]
  python encoding.py MODEL --one-by-one [--texts 200]        # latency of one text at a time

A text has 10 to 300 tokens, all of them whole words of the vocabulary, from a seed. The peers sort the texts by length
and pad batches of 32 (`--batch`); OpenVINO runs the converted torch module in latency mode, or in throughput mode with
its asynchronous queue. `tokens_per_second` counts real tokens, never padding, from texts to vectors, tokenizing
included; `load_seconds` is reading the model (and for OpenVINO converting and compiling it). Retort's figures come from
`retort vectors --summary`; `stage_seconds` are those of an `embed` stage with loading, hashing and writing. bf16 is
refused where the processor has no instructions for it, but for `retort-bf16`, which rounds and then multiplies in fp32
there. `torch-int8` has its linear layers dynamically quantized, `openvino-int8` is the model that its own tools (nncf)
quantize statically after 300 other texts, the rest in bf16 where that is to be had. The first 64 vectors must agree with PyTorch's fp32
ones; of those in bf16 and int8, PyTorch's int8 too, `least_cosine` and `mean_cosine` with Retort's in fp32 are printed.
Prints a JSON line per run, then medians and ratios. `st` is sentence-transformers' `encode`. Needs torch, transformers, sentence-transformers, openvino, nncf.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from side_by_side import (
    Refused, alternate, conclude, make_texts, peak_mb, peak_of_children_mb, print_result, run_pipeline, tokens_in)

OURS = ["retort", "retort-bf16", "retort-int8"]
PEERS = ["st-fp32", "st-bf16", "torch-fp32", "torch-bf16", "torch-int8", *(f"openvino-{precision}-{mode}" for precision in ["fp32", "bf16", "int8"]
                                                     for mode in ["latency", "throughput"])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of all-MiniLM-L6-v2 or multilingual-e5-small")
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--texts", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--one-by-one", action="store_true")
    parser.add_argument("--programs", nargs="+", choices=[*OURS, *PEERS], default=[*OURS, *PEERS])
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.texts = options.texts or (200 if options.one_by_one else 2000)
    if not options.run:
        results = alternate([name for name in options.programs if not options.one_by_one or "throughput" not in name],
                            options.rounds)
        key = "median_ms" if options.one_by_one else "tokens_per_second"
        return conclude(results, key, higher_is_better=not options.one_by_one)
    texts = make_texts(options.model, options.texts, 10, 300, options.seed)
    print_result(lambda: run_retort(options, texts) if options.run in OURS else run_peer(options, texts))


def figures(options: argparse.Namespace, texts: list[str], seconds: float, times: list[float], loading: float) -> dict:
    result = {"texts": len(texts), "tokens": tokens_in(texts), "threads": options.threads, "load_seconds": round(loading, 3)}
    if options.one_by_one:
        return result | {"median_ms": round(1000 * statistics.median(times), 3)}
    return result | {"encode_seconds": round(seconds, 3), "tokens_per_second": round(tokens_in(texts) / seconds, 1)}


def run_retort(options: argparse.Namespace, texts: list[str]) -> dict:
    precision = options.run.partition("-")[2] or "fp32"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        with open(folder / "texts.jsonl", "w") as file:
            file.writelines(json.dumps({"id": str(at), "text": text}) + "\n" for at, text in enumerate(texts))
        command = [options.retort, "vectors", str(options.model), str(folder / "texts.jsonl"), "--summary", "--threads",
                   str(options.threads), "--max-len", "512", "--precision", precision] + (["--one-by-one"] if options.one_by_one else [])
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            said = json.loads(process.stdout.read())
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)} failed")
        peak = peak_of_children_mb()
        if options.one_by_one:
            return figures(options, texts, 0, [said["medianMilliseconds"] / 1000], said["loadSeconds"])
        quality = {}
        if precision != "fp32":
            pairs = zip(vectors_of(options, texts[:64]), vectors_of(options, texts[:64], precision))
            cosines = [sum(a * b for a, b in zip(x, y)) for x, y in pairs]
            quality = {"least_cosine": round(min(cosines), 5), "mean_cosine": round(statistics.mean(cosines), 5)}
        profiles, _ = run_pipeline(options.retort, {"vectors": {
            "uses": "embed", "precision": precision, "in": {"model": str(options.model.resolve()), "texts": "texts.jsonl"},
            "with": {"max_len": 512}}}, folder, options.threads)
    return figures(options, texts, said["embedSeconds"], [], said["loadSeconds"]) | {
        "stage_seconds": round(profiles["vectors"]["seconds"], 3), "peak_rss_mb": peak} | quality


def run_sentence_transformers(options: argparse.Namespace, texts: list[str]) -> dict:
    """`SentenceTransformer.encode` as people call it."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(options.threads)
    begin = time.perf_counter()
    model = SentenceTransformer(str(options.model), device="cpu", model_kwargs={
        "dtype": torch.bfloat16 if options.run == "st-bf16" else torch.float32})
    loading = time.perf_counter() - begin
    model.encode(texts[:1])
    times = []
    begin = time.perf_counter()
    for chosen in [[text] for text in texts] if options.one_by_one else [texts]:
        start = time.perf_counter()
        vectors = model.encode(chosen, batch_size=options.batch)
        times.append(time.perf_counter() - start)
    seconds = time.perf_counter() - begin
    if options.run == "st-fp32" and not options.one_by_one:
        check(options, texts[:64], torch.tensor(vectors[:64]))
    result = figures(options, texts, seconds, times, loading)
    return result if options.one_by_one else result | {"stage_seconds": round(loading + seconds, 3), "peak_rss_mb": peak_mb()}


def run_peer(options: argparse.Namespace, texts: list[str]) -> dict:
    if options.run.startswith("st-"):
        return run_sentence_transformers(options, texts)
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(options.threads)
    program, precision, *mode = options.run.split("-")
    begin = time.perf_counter()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    if program == "torch":
        if precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            raise Refused("PyTorch says that oneDNN has no bf16 on this processor")
        model = AutoModel.from_pretrained(options.model, dtype=torch.bfloat16 if precision == "bf16" else torch.float32).eval()
        if precision == "int8":
            model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, torch.qint8)

        def forward(batch):
            return model(**batch).last_hidden_state.float()
    else:
        compiled = compile_openvino(options, precision, mode[0])

        def forward(batch):
            return torch.from_numpy(compiled({key: value.numpy() for key, value in batch.items()})[0])
    loading = time.perf_counter() - begin

    def pool(hidden, mask):
        weights = mask.unsqueeze(-1).float()
        return torch.nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=-1)

    def tokenize(chosen):
        batch = tokenizer([texts[at] for at in chosen], padding=True, truncation=True, max_length=512, return_tensors="pt")
        batch.setdefault("token_type_ids", torch.zeros_like(batch["input_ids"]))  # a converted model takes them always
        return batch

    times = []
    vectors = torch.empty(len(texts), 384)
    with torch.inference_mode():
        forward(tokenize([0]))  # whatever is set up at the first call is not counted
        begin = time.perf_counter()
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        batches = [[at] for at in range(len(texts))] if options.one_by_one else [
            order[at:at + options.batch] for at in range(0, len(order), options.batch)]
        if mode == ["throughput"]:
            import openvino
            queue = openvino.AsyncInferQueue(compiled)

            def done(request, data):
                vectors[data[0]] = pool(torch.from_numpy(request.get_output_tensor(0).data), data[1])
            queue.set_callback(done)
            for chosen in batches:
                batch = tokenize(chosen)
                queue.start_async({key: value.numpy() for key, value in batch.items()}, (chosen, batch["attention_mask"]))
            queue.wait_all()
        else:
            for chosen in batches:
                start = time.perf_counter()
                batch = tokenize(chosen)
                vectors[chosen] = pool(forward(batch), batch["attention_mask"])
                times.append(time.perf_counter() - start)
    seconds = time.perf_counter() - begin
    if options.run == "torch-fp32":
        check(options, texts[:64], vectors[:64])
    result = figures(options, texts, seconds, times, loading)
    if precision == "int8":
        cosines = (torch.tensor(vectors_of(options, texts[:64])) * vectors[:64]).sum(-1)
        result |= {"least_cosine": round(cosines.min().item(), 5), "mean_cosine": round(cosines.mean().item(), 5)}
    return result if options.one_by_one else result | {"stage_seconds": round(loading + seconds, 3), "peak_rss_mb": peak_mb()}


def compile_openvino(options: argparse.Namespace, precision: str, mode: str):
    import openvino
    import torch
    from transformers import AutoModel

    core = openvino.Core()
    has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and not has_bf16:
        raise Refused("OpenVINO says that this processor has no bf16")

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = AutoModel.from_pretrained(options.model, attn_implementation="eager").eval()

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[0]

    names = ["input_ids", "attention_mask", "token_type_ids"]
    example = {name: torch.ones(2, 16, dtype=torch.int64) for name in names}
    converted = openvino.convert_model(Encoder(), example_input=example, input=[(name, [-1, -1], openvino.Type.i64) for name in names])
    if precision == "int8":
        converted = quantized(options, converted, names)
    return core.compile_model(converted, "CPU", {
        "INFERENCE_PRECISION_HINT": "bf16" if precision != "fp32" and has_bf16 else "f32", "PERFORMANCE_HINT": mode.upper(),
        "INFERENCE_NUM_THREADS": options.threads})


def quantized(options: argparse.Namespace, converted, names: list[str]):
    import nncf
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(options.model)
    texts = make_texts(options.model, 300, 10, 300, options.seed + 1)

    def inputs(text):
        batch = tokenizer([text], return_tensors="np")
        batch.setdefault("token_type_ids", 0 * batch["input_ids"])
        return {name: value for name, value in batch.items() if name in names}
    return nncf.quantize(converted, nncf.Dataset(texts, inputs), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(texts))


def vectors_of(options: argparse.Namespace, texts: list[str], precision: str = "fp32") -> list[list[float]]:
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        file.flush()
        command = [options.retort, "vectors", str(options.model), file.name, "--max-len", "512", "--precision", precision]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(options: argparse.Namespace, texts: list[str], vectors) -> None:
    """Both sides must have computed the same thing."""
    import torch

    ours = torch.tensor(vectors_of(options, texts))
    least = (ours * vectors).sum(-1).min().item()
    if least < 0.999:
        sys.exit(f"vectors differ: least cosine {least}")


main()
