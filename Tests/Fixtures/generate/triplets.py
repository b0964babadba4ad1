"""Writes Tests/Fixtures/stages/triplets.json: ten figures of triplets by numpy.

Needs numpy. Rows repeat anchors and positives, as real tables do; vectors are of any length.
"""
import json
from pathlib import Path

import numpy as np

rng = np.random.default_rng(11)
QUERIES, PASSAGES, WIDTH, ROWS = 5, 14, 6, 12

queries = rng.normal(size=(QUERIES, WIDTH)).astype(np.float32).round(3)
passages = rng.normal(size=(PASSAGES, WIDTH)).astype(np.float32).round(3)
# Row 7 has row 2's anchor and positive; row 9 its anchor alone.
anchors = [0, 1, 2, 3, 4, 0, 1, 2, 3, 2, 4, 0]
positives = [0, 1, 2, 3, 4, 5, 1, 2, 6, 7, 4, 8]
negatives = [9, 10, 11, 12, 13, 9, 11, 3, 0, 12, 13, 10]


def normalised(rows):
    a, b = queries[anchors].astype(np.float64), passages[rows].astype(np.float64)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return (cosine + 1) / 2


positive, negative = normalised(positives), normalised(negatives)
margin = positive - negative
expected = {
    "pos_cosine_similarity_mean": np.mean(positive), "pos_cosine_similarity_std": np.std(positive),
    "neg_cosine_similarity_mean": np.mean(negative), "neg_cosine_similarity_std": np.std(negative),
    "margin_mean": np.mean(margin), "margin_std": np.std(margin),
    "pos_uniformity": np.var(positive), "neg_uniformity": np.var(negative),
    "overall_uniformity": np.var(np.concatenate([positive, negative])), "total_samples": ROWS}
out = Path(__file__).resolve().parent.parent / "stages" / "triplets.json"
out.write_text(json.dumps({
    "width": WIDTH, "queries": [round(float(x), 3) for x in queries.ravel()],
    "passages": [round(float(x), 3) for x in passages.ravel()],
    "rows": [list(row) for row in zip(anchors, positives, negatives)],
    "expected": {key: float(value) for key, value in expected.items()}}) + "\n")
print(expected)
