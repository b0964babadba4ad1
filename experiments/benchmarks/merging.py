"""What merging a trained adapter into a quantized base costs, both ways: nDCG@10, changes of numbers, and vectors beside transformers.

  python merging.py MODEL SET [--retort retort] [--types nf4 int8] [--threads 2]

SET is a folder with train.jsonl, test.jsonl and corpus.jsonl, as pipelines/tools/wordnet.py makes them (`groups`). Adapters of rank 16
train for an epoch on the quantized MODEL; `merge` adds them to the base decoded and to the original; all of them are evaluated.
sentence-transformers embeds the corpus with the folder that training wrote and with both merged ones. Prints a table. Needs
sentence-transformers, safetensors.
"""
import argparse
import json
import tempfile
from pathlib import Path

from side_by_side import run_pipeline


def measure(options: argparse.Namespace, kind: str, folder: Path) -> None:
    groups = lambda name: {"uses": "groups", "in": {"data": str(options.set / f"{name}.jsonl")}}
    how = {"type": kind}
    models = {"base": str(options.model), "quantized": "quantized.quantized", "trained": "trained.model",
              "dequantized": "dequantized.merged", "original": "original.merged"}
    merge = lambda into: {"uses": "merge", "in": {"adapter": "trained.model", "base": str(options.model)},
                          "with": {"into": into, "quantization": how}, "publish": str(folder / into)}
    stages = {"train": groups("train"), "test": groups("test"),
              "quantized": {"uses": "quantize", "in": {"model": str(options.model)}, "with": how},
              "trained": {"uses": "dual-encoder", "in": {"base": "quantized.quantized", "train": "train.groups"},
                          "with": {"epochs": 1, "batch_size": 32, "lr": 5e-4, "loss": "mnr", "max_len": 64, "lora": {"r": 16, "alpha": 32}},
                          "publish": str(folder / "trained")},
              "dequantized": merge("dequantized"), "original": merge("original")}
    for name, model in models.items():
        stages[f"{name}-test"] = {"uses": "evaluate", "in": {"model": model, "data": "test.groups", "corpus": str(options.set / "corpus.jsonl")}}
    for name in ["trained", "dequantized", "original"]:
        stages[f"{name}-vectors"] = {"uses": "embed", "in": {"model": models[name], "texts": str(options.set / "corpus.jsonl")},
                                     "publish": str(folder / f"{name}-vectors")}
    metrics: dict = {}
    for event in run_pipeline(options.retort, stages, folder, options.threads)[1]:
        if event["event"] == "metric" and event.get("step") is None:
            metrics.setdefault(event["stage"], {})[event["name"]] = event["value"]
        if event["event"] == "warning" and event.get("stage") == "original":
            print(event)
    import numpy as np
    from safetensors.numpy import load_file
    from sentence_transformers import SentenceTransformer

    texts = [json.loads(line)["text"] for line in open(options.set / "corpus.jsonl")][:500]
    for name in models:
        line = f"{kind:5} {name:12} nDCG@10 {metrics[f'{name}-test']['ndcg@10']:.4f}"
        if (folder / f"{name}-vectors").exists():
            ours = load_file(next((folder / f"{name}-vectors").rglob("embeddings.safetensors")))["embeddings"][:500]
            where = next(path.parent for path in (folder / name).rglob("modules.json"))
            theirs = SentenceTransformer(str(where), device="cpu").encode(texts)
            line += f"   largest difference from sentence-transformers {np.abs(ours - theirs).max():.1e}"
        print(line)
    print(kind, "merge:", {key: float(f"{value:.3g}") for key, value in metrics["original"].items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("set", type=Path)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--types", nargs="+", default=["nf4", "int8"])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    options.model, options.set = options.model.resolve(), options.set.resolve()
    for kind in options.types:
        with tempfile.TemporaryDirectory() as folder:
            measure(options, kind, Path(folder))


if __name__ == "__main__":
    main()
