"""Writes Tests/Fixtures/rewards/golden.json: ROUGE of rouge_score with three ways to take texts apart, and F1 of bert_score by
the small model of Tests/Fixtures/models.

    python rewards.py    # needs torch, transformers, rouge_score 0.1 and bert_score 0.3
"""
import json
from pathlib import Path

from bert_score import score
from rouge_score import rouge_scorer

HERE = Path(__file__).parent.parent
MODEL = HERE / "models" / "sentence-transformer"
PAIRS = [
    ("받침 뒤에서는 된소리로 적는다.", "한 낱말 안의 받침 뒤에서는 된소리로 적지 않는다."),
    ("the cat sat on the mat the cat", "the cat the mat sat"),
    ("The Cat, 42 mats!", "a cat and 42 MATS"),
    ("사이시옷을 적는다", "사이시옷을 적는다"),
    ("", "사이시옷을 적는다"),
    ("사이시옷을 적는다", ""),
    ("전혀 다른 말", "the cat"),
    ("a b c d a b", "b a d c b a"),
    ("q r s t a b c d e f g h i j k", "a b a b k j i h g f e d c b"),
]


class Splitter:
    def __init__(self, split):
        self.tokenize = split


WAYS = {"spaces": Splitter(str.split), "syllables": Splitter(lambda text: list("".join(text.split()))), "google": None}


def rouge(way):
    scorer = rouge_scorer.RougeScorer(["rouge1", "rougeL"], tokenizer=WAYS[way])
    scores = [scorer.score(reference, answer) for answer, reference in PAIRS]
    return {kind: [s[kind].fmeasure for s in scores] for kind in ["rouge1", "rougeL"]}


def bert(layers):
    # One pair at a time: among others of a batch a similarity below 0 would count as 0.
    return [score([answer], [reference], model_type=str(MODEL), num_layers=layers, device="cpu")[2].item()
            if answer and reference else 0.0 for answer, reference in PAIRS]


(HERE / "rewards" / "golden.json").write_text(json.dumps(
    {"pairs": PAIRS, "rouge": {way: rouge(way) for way in WAYS}, "bertscore": {n: bert(n) for n in [1, 2]}},
    ensure_ascii=False) + "\n")
