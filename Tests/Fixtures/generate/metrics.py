"""Writes Tests/Fixtures/stages/metrics.json: retrieval metrics by sentence-transformers (no ties) and by trec_eval
(through pytrec_eval, with ties), separation by scikit-learn and torch, calibration by scikit-learn.

Needs numpy, torch, scikit-learn, scipy, sentence-transformers, pytrec_eval.
"""
import json
from pathlib import Path

import numpy as np
import pytrec_eval
import torch
from scipy.stats import norm
from sentence_transformers import util
from sentence_transformers.evaluation import InformationRetrievalEvaluator
from sklearn.calibration import _sigmoid_calibration
from sklearn.metrics import roc_auc_score

rng = np.random.default_rng(5)
QUERIES, PASSAGES, WIDTH = 12, 150, 6


def relevant(counts):
    return [sorted(rng.choice(PASSAGES, size=n, replace=False).tolist()) for n in counts]


def sentence_transformers_case():
    passages = rng.normal(size=(PASSAGES, WIDTH)).round(2).astype(np.float32)
    gold = relevant([1, 1, 2, 3, 1, 4, 1, 12, 1, 2, 1, 120])
    queries = np.stack([passages[g[0]] + rng.normal(size=WIDTH) for g in gold]).round(2).astype(np.float32)
    scores = util.cos_sim(torch.tensor(queries), torch.tensor(passages)).numpy()
    assert all(len(set(row)) == PASSAGES for row in scores), "ties"
    evaluator = InformationRetrievalEvaluator(
        {f"q{q}": "x" for q in range(QUERIES)}, {f"p{p}": "x" for p in range(PASSAGES)},
        {f"q{q}": {f"p{p}" for p in g} for q, g in enumerate(gold)},
        accuracy_at_k=[1, 3, 5, 10], precision_recall_at_k=[1, 3, 5, 10, 100], mrr_at_k=[10], ndcg_at_k=[10],
        map_at_k=[100])
    results = [[{"corpus_id": f"p{p}", "score": float(scores[q, p])} for p in np.argsort(-scores[q])[:100]]
               for q in range(QUERIES)]
    m = evaluator.compute_metrics(results)
    expected = {f"accuracy@{k}": v for k, v in m["accuracy@k"].items()}
    expected |= {f"precision@{k}": v for k, v in m["precision@k"].items() if k <= 10}
    expected |= {f"recall@{k}": v for k, v in m["recall@k"].items()}
    expected |= {"mrr@10": m["mrr@k"][10], "ndcg@10": m["ndcg@k"][10], "map@100": m["map@k"][100]}
    unit = torch.nn.functional.normalize(torch.tensor(passages), dim=1).double()
    mask = np.zeros_like(scores, dtype=bool)
    for q, g in enumerate(gold):
        mask[q, g] = True
    normalised = (scores.astype(np.float64) + 1) / 2
    positive, negative = normalised[mask], normalised[~mask]
    separation = {
        "auc": roc_auc_score(mask.ravel(), scores.ravel()), "margin": positive.mean() - negative.mean(),
        "variance": normalised.var(), "quantiles": np.quantile(negative, [0, .05, .25, .5, .75, .95, 1]).tolist(),
        "uniformity": torch.pdist(unit).pow(2).mul(-2).exp().mean().log().item()}
    return {"queries": queries.tolist(), "passages": passages.tolist(), "relevant": gold,
            "expected": {k: float(v) for k, v in expected.items()}, "separation": separation}


def trec_eval_case():
    gold = relevant([1, 2, 3, 1, 1, 5, 1, 8, 2, 1, 3, 110])
    scores = rng.integers(0, 12, size=(QUERIES, PASSAGES))
    names = {"success": "1,3,5,10", "P": "1,3,5,10", "recall": "1,3,5,10,100"}
    measures = {f"{name}.{cuts}" for name, cuts in names.items()} | {"recip_rank", "ndcg_cut.10", "map_cut.100"}
    evaluator = pytrec_eval.RelevanceEvaluator(
        {f"q{q}": {f"p{p}": 1 for p in g} for q, g in enumerate(gold)}, measures)
    run = {f"q{q}": {f"p{p}": float(scores[q, p]) / 8 for p in range(PASSAGES)} for q in range(QUERIES)}
    result = evaluator.evaluate(run)
    mean = {key: float(np.mean([r[key] for r in result.values()])) for key in result["q0"]}
    ours = {"success": "accuracy", "P": "precision", "recall": "recall", "ndcg_cut": "ndcg"}
    expected = {"mrr": mean.pop("recip_rank"), "map_cut_100": mean.pop("map_cut_100")}
    for key, value in mean.items():
        name, cut = key.rsplit("_", 1)
        expected[f"{ours[name]}@{cut}"] = value
    return {"scores": scores.tolist(), "relevant": gold, "expected": expected}


def calibration_case():
    positives = rng.normal(0.6, 0.2, 30).round(3).tolist()
    negatives = rng.normal(0.2, 0.25, 90).round(3).tolist()
    a, b = _sigmoid_calibration(np.array(positives + negatives), np.array([1] * 30 + [0] * 90))
    return {"positives": positives, "negatives": negatives, "a": -float(a), "b": -float(b),
            "zscore": [[z, float(norm.cdf(z))] for z in (-2.5, -1.0, 0.0, 0.5, 3.0)]}


out = Path(__file__).resolve().parent.parent / "stages" / "metrics.json"
out.parent.mkdir(exist_ok=True)
golden = {"sentence_transformers": sentence_transformers_case(), "trec_eval": trec_eval_case(),
          "calibration": calibration_case()}
golden["sentence_transformers"] = {
    k: [[round(float(x), 2) for x in row] for row in v] if k in ("queries", "passages") else v
    for k, v in golden["sentence_transformers"].items()}
out.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
print(out.stat().st_size, "bytes")
