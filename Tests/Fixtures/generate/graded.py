"""Writes Tests/Fixtures/stages/graded.json: nDCG of judgements with grades, by trec_eval (through pytrec_eval), with
ties.

Needs pytrec_eval (or pytrec-eval-terrier).
"""
import json
import random
from pathlib import Path

import pytrec_eval

random.seed(3)
PASSAGES = 30
grades = [{2: 2}, {0: 1, 7: 3}, {4: 1, 5: 1}, {p: 1 + p % 3 for p in range(0, 30, 2)}, {1: 3, 2: 2, 3: 1}]
scores = [[random.randrange(6) for _ in range(PASSAGES)] for _ in grades]
evaluator = pytrec_eval.RelevanceEvaluator(
    {f"q{q}": {f"p{p}": g for p, g in graded.items()} for q, graded in enumerate(grades)}, {"ndcg_cut.10", "map_cut.100"})
run = {f"q{q}": {f"p{p}": float(s) for p, s in enumerate(row)} for q, row in enumerate(scores)}
result = evaluator.evaluate(run)
expected = [{name: result[f"q{q}"][name] for name in ("ndcg_cut_10", "map_cut_100")} for q in range(len(grades))]
out = Path(__file__).resolve().parent.parent / "stages" / "graded.json"
out.write_text(json.dumps({
    "scores": scores, "grades": [sorted(map(list, graded.items())) for graded in grades],
    "expected": [[e["ndcg_cut_10"], e["map_cut_100"]] for e in expected]}) + "\n")
