"""Writes Tests/Fixtures/lineage/comparison.json: paired randomisation tests by scipy's permutation_test (exact: every
choice of signs), means and sample standard deviations by numpy.

Needs numpy and scipy.
"""
import json
from pathlib import Path

import numpy as np
from scipy.stats import permutation_test

rng = np.random.default_rng(11)


def exact(differences):
    """Two-sided p of the mean difference over all 2**n choices of signs; zeros change nothing and are left out."""
    values = np.array([d for d in differences if d != 0])
    if len(values) == 0:
        return 1.0
    result = permutation_test(
        (values, np.zeros(len(values))), lambda a, b, axis=-1: np.mean(a, axis=axis) - np.mean(b, axis=axis),
        permutation_type="samples", n_resamples=np.inf, vectorized=True, batch=4096)
    return float(result.pvalue)


cases = [
    [0.5, 0.5], [1, 1, 1, 1, 1, 1, 1, 1], [0.1, -0.1], [0, 0, 0],
    [0.1, 0.2, 0.3, -0.1, 0.2, 0, 0.4],
    rng.normal(0.4, 1, size=12).round(3).tolist(),
    rng.choice([-0.5, -0.25, 0.0, 0.25, 0.5, 1.0], size=16).tolist(),
    rng.normal(0.7, 1, size=16).round(3).tolist(),
]
longer = [rng.normal(shift, 1, size=18).round(3).tolist() for shift in (0.0, 0.25, 0.5, 0.9)]
samples = [[0.7408, 0.7551, 0.7679], [2, 4, 4, 4, 5, 5, 7, 9], [1e6 + 1, 1e6 + 2, 1e6 + 4]]
golden = {
    "exact": [{"differences": d, "p": exact(d)} for d in cases],
    "drawn": [{"differences": d, "p": exact(d)} for d in longer],
    "samples": [{"values": v, "mean": float(np.mean(v)), "deviation": float(np.std(v, ddof=1))} for v in samples],
}
target = Path(__file__).parent.parent / "lineage" / "comparison.json"
target.parent.mkdir(exist_ok=True)
target.write_text(json.dumps(golden, indent=1) + "\n")
