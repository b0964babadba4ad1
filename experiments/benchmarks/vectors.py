"""Vectors in bytes and bits on a real set: size, time and recall lost, Retort beside sentence-transformers' quantization.

  python vectors.py MODEL SET [--retort retort] [--multipliers 2 4] [--top-k 10] [--threads 2]

SET is a folder with corpus.jsonl and test.jsonl, as pipelines/tools/wordnet.py makes them (`groups`). Retort embeds both once;
`retrieve` then searches by floats, by int8 and by binary codes, and says what share of the exact hits it finds. sentence-transformers
searches the same floats by usearch (exact, `semantic_search_usearch`) and, in bits, by faiss. Its codes must be Retort's, bit for
bit. Seconds of Retort are those of the search by codes and of rescoring, out of its log; a table is printed, and what differs.
Needs numpy, safetensors, sentence-transformers, usearch, faiss-cpu.
"""
import argparse
import json
import re
import sys
import tempfile
import time
from pathlib import Path

from side_by_side import run_pipeline


def retrieve(options: argparse.Namespace, folder: Path) -> tuple[dict, Path]:
    """The last metrics of each stage, with its seconds, and where outputs were published."""
    data = {"queries": str(options.set / "test.jsonl"), "corpus": str(options.set / "corpus.jsonl"), "model": str(options.model)}
    stages = {"exact": {"uses": "retrieve", "in": data, "with": {"top_k": options.top_k}, "publish": str(folder / "exact")}}
    for kind in ["int8", "ubinary"]:
        stages[f"embed-{kind}"] = {"uses": "embed", "in": {"model": data["model"], "texts": data["corpus"]},
                                   "with": {"vectors": kind, "prompt": "passage"}, "publish": str(folder / f"embed-{kind}")}
    for kind in ["int8", "binary"]:
        for multiplier in options.multipliers:
            stages[f"{kind}-{multiplier}"] = {
                "uses": "retrieve", "in": data,
                "with": {"top_k": options.top_k, "vectors": kind, "rescore_multiplier": multiplier}}
    events = run_pipeline(options.retort, stages, folder, options.threads)[1]
    found: dict = {}
    for event in events:
        stage = found.setdefault(event.get("stage"), {})
        if event["event"] == "metric":
            stage[event["name"]] = event["value"]
        if event["event"] == "log" and (line := re.search(r"searched in ([0-9.]+) s", event["message"])):
            stage["seconds"] = float(line[1])
    return found, folder


def peers(options: argparse.Namespace, queries, corpus) -> list[tuple]:
    import numpy as np
    from sentence_transformers.util.quantization import quantize_embeddings, semantic_search_faiss, semantic_search_usearch

    exact = np.argsort(-(queries @ corpus.T), axis=1, kind="stable")[:, :options.top_k]
    rows = []
    for name, kind, search in [("usearch", "float32", semantic_search_usearch), ("usearch", "int8", semantic_search_usearch),
                               ("usearch", "ubinary", semantic_search_usearch), ("faiss", "ubinary", semantic_search_faiss)]:
        codes = quantize_embeddings(corpus, kind)
        for multiplier in [0] + (options.multipliers if kind != "float32" else []):
            start = time.perf_counter()
            hits = search(queries, corpus_embeddings=codes, corpus_precision=kind, top_k=options.top_k, rescore=multiplier > 0,
                          rescore_multiplier=max(1, multiplier), exact=True,
                          **({"calibration_embeddings": corpus} if kind == "int8" else {}))[0]
            seconds = time.perf_counter() - start
            recall = np.mean([len({hit["corpus_id"] for hit in one} & set(best)) / options.top_k for one, best in zip(hits, exact)])
            rows.append((f"sentence-transformers, {name}", kind, multiplier, codes.nbytes, seconds, recall))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("set", type=Path)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--multipliers", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--top-k", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    options.model, options.set = options.model.resolve(), options.set.resolve()
    import numpy as np
    from safetensors.numpy import load_file
    from sentence_transformers.util.quantization import quantize_embeddings

    with tempfile.TemporaryDirectory() as name:
        found, folder = retrieve(options, Path(name))
        both = load_file(next((folder / "exact").rglob("embeddings.safetensors")))["embeddings"]
        count = sum(1 for _ in open(options.set / "corpus.jsonl"))
        corpus, queries = both[:count], both[count:]
        floats = load_file(folder / "embed-int8" / "embeddings.safetensors")["embeddings"]
        for kind in ["int8", "ubinary"]:
            codes = load_file(folder / f"embed-{kind}" / "quantized.safetensors")["embeddings"]
            if not np.array_equal(codes, quantize_embeddings(floats, kind)):
                sys.exit(f"{kind} codes are not sentence-transformers'")
    print(f"{count} passages, {len(queries)} queries, {both.shape[1]} dimensions; codes equal sentence-transformers', bit for bit")
    rows = [("Retort", "float32", 0, corpus.nbytes, found["exact"].get("seconds"), 1.0)]
    for kind, size in [("int8", 4), ("binary", 32)]:
        for multiplier in options.multipliers:
            one = found[f"{kind}-{multiplier}"]
            if multiplier == options.multipliers[0]:
                rows.append(("Retort", kind, 0, corpus.nbytes // size, None, one["recall_unscored"]))
            rows.append(("Retort", kind, multiplier, corpus.nbytes // size, one.get("seconds"), one["recall"]))
    print(f"{'program':32} vectors  multiplier      bytes  seconds  recall@{options.top_k}")
    for program, kind, multiplier, size, seconds, recall in rows + peers(options, queries, corpus):
        print(f"{program:32} {kind:8} {multiplier or 'none':>10} {size:10} {'' if seconds is None else f'{seconds:.2f}':>8} {recall:10.4f}")


if __name__ == "__main__":
    main()
