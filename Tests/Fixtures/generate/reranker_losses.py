"""Writes Tests/Fixtures/training/reranker_losses.json: values and gradients of sentence-transformers' losses.

    python reranker_losses.py    # needs torch and sentence-transformers 6.2

The losses are sentence-transformers' own, handed logits instead of texts, in double; those of two labels are PyTorch's.
"""
import json
from pathlib import Path

import torch
from sentence_transformers.cross_encoder import losses

FILE = Path(__file__).parent.parent / "training" / "reranker_losses.json"
torch.manual_seed(20261129)
torch.set_default_dtype(torch.float64)
torch.Tensor.float = torch.Tensor.double  # what the losses round to

SCHEMES = {"none": losses.NoWeightingScheme, "ndcg_loss1": losses.NDCGLoss1Scheme,
           "ndcg_loss2": losses.NDCGLoss2Scheme, "lambda_rank": losses.LambdaRankScheme}
DEFAULTS = {"kind": "lambda", "weighting": "ndcg_loss2pp", "mu": 10.0, "k": None, "sigma": 1.0, "eps": 1e-10,
            "logarithm": "binary"}


class Logits(torch.nn.Module):
    """Stands for a CrossEncoder whose texts are places among the logits."""
    num_labels, device = 1, torch.device("cpu")

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def preprocess(self, pairs, **_):
        return {"places": torch.tensor([place for _, place in pairs])}

    def forward(self, features):
        return {"scores": self.logits[features["places"]]}


def loss_of(logits, labels, teacher, s):
    model = Logits(logits)
    starts = [sum(len(l) for l in labels[:i]) for i in range(len(labels))]
    places = [list(range(start, start + len(l))) for start, l in zip(starts, labels)]
    queries = [""] * len(labels)
    if s["kind"] == "margin_mse":
        scores = torch.tensor(teacher).reshape(len(labels), -1)
        return losses.MarginMSELoss.forward(margin_mse(model), [queries, *map(list, zip(*places))], scores)
    if s["kind"] == "listnet":
        loss = losses.ListNetLoss(model)
    elif s["kind"] == "ranknet":
        loss = losses.RankNetLoss(model, k=s["k"], sigma=s["sigma"], eps=s["eps"], reduction_log=s["logarithm"])
    else:
        scheme = losses.NDCGLoss2PPScheme(s["mu"]) if s["weighting"] == "ndcg_loss2pp" else SCHEMES[s["weighting"]]()
        loss = losses.LambdaLoss(model, scheme, k=s["k"], sigma=s["sigma"], eps=s["eps"], reduction_log=s["logarithm"])
    return loss([queries, places], [torch.tensor(l) for l in labels])


def margin_mse(model):
    loss = losses.MarginMSELoss.__new__(losses.MarginMSELoss)  # its constructor wants a real CrossEncoder
    torch.nn.Module.__init__(loss)
    loss.model, loss.activation_fn, loss.loss_fct = model, torch.nn.Identity(), torch.nn.MSELoss()
    return loss


def case(name, labels, **settings):
    s = {**DEFAULTS, **settings}
    labels = [[float(x) for x in l] for l in labels]
    count = sum(map(len, labels))
    logits = (torch.randn(count) * 2).requires_grad_()
    teacher = (torch.randn(count) * 3).tolist()
    loss = loss_of(logits, labels, teacher, s)
    loss.backward()
    return {"name": name, "settings": s, "labels": labels, "heads": 1, "outputs": logits.tolist(), "teacher": teacher,
            "value": loss.item(), "gradient": logits.grad.tolist()}


def two_labels():
    labels = [[1.0, 0.0, 0.0], [1.0, 0.0]]
    outputs = (torch.randn(5, 2) * 3).requires_grad_()
    loss = torch.nn.functional.cross_entropy(outputs, torch.tensor(sum(labels, [])).long())
    loss.backward()
    return {"name": "cross-entropy of two labels", "settings": {**DEFAULTS, "kind": "bce"}, "labels": labels,
            "heads": 2, "outputs": outputs.reshape(-1).tolist(), "teacher": [0.0] * 5, "value": loss.item(),
            "gradient": outputs.grad.reshape(-1).tolist()}


BINARY = [[1, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 0]]
GRADED = [[3, 0, 1, 2, 0], [0, 2, 2], [0.5, 1.5, 0, 4, 1, 1, 0]]

if __name__ == "__main__":
    cases = [
        case("ranknet", BINARY, kind="ranknet"),
        case("ranknet of grades, natural, steeper", GRADED, kind="ranknet", sigma=2.5, logarithm="natural"),
        case("ranknet of the first two", GRADED, kind="ranknet", k=2),
        case("ranknet without anything to order", [[1, 1], [0, 0, 0]], kind="ranknet"),
        case("listnet", BINARY, kind="listnet"),
        case("listnet of grades", GRADED, kind="listnet"),
        case("lambda", BINARY),
        case("lambda of grades", GRADED),
        case("lambda of grades below 0", [[-1, 2, 0.5], [-3, -2]]),
        case("lambda of the first three, μ 4", GRADED, mu=4.0, k=3),
        case("lambda with a large eps", [[0.5, 0, 0], [0.1, 0]], eps=0.75),
        case("margin_mse", [[1, 0, 0, 0]] * 3, kind="margin_mse"),
        case("margin_mse of single negatives", [[1, 0]] * 4, kind="margin_mse"),
        two_labels(),
    ]
    for weighting in SCHEMES:
        cases.append(case(f"lambda by {weighting}", BINARY, weighting=weighting, logarithm="natural"))
        cases.append(case(f"lambda by {weighting} of grades, k 2", GRADED, weighting=weighting, k=2, sigma=0.7))
    FILE.write_text(json.dumps(cases) + "\n")
