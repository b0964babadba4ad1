"""Matrix products of the engine beside PyTorch's (MKL, oneDNN and fbgemm): x [rows, depth] times W [columns, depth] transposed,
and the gradient of W; alternating, medians of the rounds, in GFLOP/s.

  python gemm.py [--retort retort] [--rounds 5] [--threads 1 2] [--precisions fp32 bf16 int8] [--kernels openblas]
                 [--shapes 2048x384x1536 …]

A shape is rows x depth x columns. `registers` is what the machine does when it multiplies and adds in registers alone,
and the share is of that. The engine's weights are packed beforehand as frozen ones are; PyTorch's are in their
precision, its activations converted at each call as the engine's are; its int8 is the dynamically quantized linear
layer, one scale for all activations and one for each column of the weights. `nf4-fp32`, `nf4-bf16` and, with `--weights
nf4 int8`, `int8-fp32` and `int8-bf16` are the engine's with weights in codes, beside PyTorch's with whole ones. `--kernels` names classes of the engine whose
fp32 products have rows of their own, as RETORT_KERNELS does. Needs torch.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.pop(0)  # this folder, whose concurrent.py PyTorch would take for Python's own

SHAPES = ["2048x384x1536", "2048x1536x384", "4096x1024x4096", "4096x4096x1024", "2048x384x384", "64x384x384",
          "16x384x1536", "1x384x1536", "2048x384x16", "2048x16x384"]


def ours(options: argparse.Namespace, shape: str, precision: str, threads: int, kernels: str | None,
         weights: str) -> dict:
    command = [options.retort, "products", *shape.split("x"), "--precision", precision, "--threads", str(threads),
               "--seconds", str(options.seconds), "--weights", weights]
    environment = os.environ | ({"RETORT_KERNELS": kernels} if kernels else {})
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout)


def rate(work: float, seconds: float, body) -> float:
    body()
    start, runs = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds or not runs:
        body()
        runs += 1
    return work * runs / elapsed


def theirs(options: argparse.Namespace, shape: str, precision: str, threads: int) -> dict:
    import torch
    torch.set_num_threads(threads)
    rows, depth, columns = map(int, shape.split("x"))
    x, dy = torch.rand(rows, depth) - 0.5, torch.rand(rows, columns) - 0.5
    w = torch.rand(columns, depth) - 0.5
    if precision == "int8":
        product = torch.ao.nn.quantized.dynamic.Linear(depth, columns)
        # With zero points that are no integers it would return memory that nothing was written to.
        scales, zeros = w.abs().amax(1) / 127, torch.zeros(columns, dtype=torch.int64)
        product.set_weight_bias(torch.quantize_per_channel(w, scales, zeros, 0, torch.qint8), None)
    else:
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        w = w.to(kind)

        def product(x):
            return torch.nn.functional.linear(x.to(kind), w).float()
    gradients = torch.bfloat16 if precision == "bf16" else torch.float32
    work = 2e-9 * rows * depth * columns
    with torch.inference_mode():
        expected = x @ w.float().T
        error = ((product(x) - expected).norm() / expected.norm()).item()
        if not error < 0.05:
            sys.exit(f"PyTorch's {precision} product of {shape} is off by {error:.2g}: it is not what is to be timed")
        return {"forward": rate(work, options.seconds, lambda: product(x)),
                "gradient": rate(work, options.seconds, lambda: (dy.to(gradients).T @ x.to(gradients)).float())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16", "int8"],
                        choices=["fp32", "bf16", "int8"])
    parser.add_argument("--kernels", nargs="*", default=["openblas"])
    parser.add_argument("--weights", nargs="*", default=["nf4"], choices=["nf4", "fp4", "int8"])
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    options = parser.parse_args()
    print("products  threads shape              retort  torch  ratio  share of registers   gradient: retort  torch  ratio")
    numerics = []
    for precision in options.precisions:
        classes = [(None, "fp32")] + [(name, "fp32") for name in options.kernels if precision == "fp32"]
        classes += [(None, weights) for weights in options.weights if precision != "int8"]
        for threads in options.threads:
            for shape in options.shapes:
                rounds = [([ours(options, shape, precision, threads, *one) for one in classes],
                           theirs(options, shape, precision, threads)) for _ in range(options.rounds)]
                them = {key: statistics.median(r[1][key] for r in rounds) for key in ("forward", "gradient")}
                for i, (kernels, weights) in enumerate(classes):
                    us = {key: statistics.median(r[0][i][key] for r in rounds)
                          for key in ("forward", "gradient", "registers")}
                    name = kernels or (precision if weights == "fp32" else f"{weights}-{precision}")
                    print(f"{name:9} {threads:7} {shape:18} {us['forward']:8.1f} {them['forward']:6.1f} "
                          f"{us['forward'] / them['forward']:6.2f} {us['forward'] / us['registers']:19.0%} "
                          f"{us['gradient']:18.1f} {them['gradient']:6.1f} {us['gradient'] / them['gradient']:6.2f}",
                          flush=True)
                    numerics.append(rounds[-1][0][i]["numerics"])
    print("\n".join(dict.fromkeys(numerics)))


if __name__ == "__main__":
    main()
