"""Makes Tests/Fixtures/stages/vectors.json: random vectors, and what sentence-transformers makes of them in bytes and bits.

  python vectors.py

Needs sentence-transformers 6. `vectors` and `others` are floats [n, 11], one column constant; of each type there are the codes of
`vectors` by their own ranges and, of int8 and uint8, by the ranges of `others`. `found` are the first three hits of `others` for
each of `vectors`, by codes alone and rescored, as semantic_search_usearch orders them, here with numpy.
"""

import json
from pathlib import Path

import numpy as np
from sentence_transformers.util.quantization import _dequantize_embeddings, quantize_embeddings

draw = np.random.default_rng(0)
vectors, others = (draw.standard_normal((n, 11)).astype(np.float32) for n in (30, 40))
vectors[:, 4] = others[:, 4] = 0.25
vectors[3, 2] = vectors[5, 7] = 0
ranges = np.vstack((others.min(0), others.max(0)))
golden = {"vectors": vectors.tolist(), "others": others.tolist(), "codes": {}, "by_others": {}, "found": {}}
for kind in ["int8", "uint8", "binary", "ubinary"]:
    golden["codes"][kind] = quantize_embeddings(vectors, kind).tolist()
    if kind.endswith("int8"):
        golden["by_others"][kind] = quantize_embeddings(vectors, kind, ranges=ranges).tolist()
for kind in ["int8", "binary"]:
    left, right = (quantize_embeddings(x, kind, ranges=ranges) for x in (vectors, others))
    if kind == "int8":
        scores, decoded = left.astype(int) @ right.astype(int).T, _dequantize_embeddings(right, kind, ranges)
    else:
        bits = [np.unpackbits(x.view(np.uint8) ^ 0x80, axis=-1)[:, :11].astype(int) for x in (left, right)]
        scores, decoded = -np.abs(bits[0][:, None] - bits[1][None]).sum(-1), bits[1]
    # Of equal scores the later one is first, as the ids of Retort's test have it.
    order = np.lexsort((-np.arange(40)[None].repeat(30, 0), -scores))
    candidates = order[:, :6]
    rescored = np.take_along_axis(vectors @ decoded.T, candidates, 1)
    golden["found"][kind] = {
        "codes": order[:, :3].tolist(),
        "rescored": np.take_along_axis(candidates, np.lexsort((-candidates, -rescored)), 1)[:, :3].tolist()}
path = Path(__file__).parent.parent / "stages/vectors.json"
path.write_text(json.dumps(golden) + "\n")
