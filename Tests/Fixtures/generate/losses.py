"""Writes Tests/Fixtures/training/losses.json and optimizer.json: values and gradients of PyTorch and transformers.

    python losses.py    # needs torch and transformers

The losses are composed here of PyTorch's own modules and differentiated by autograd, in double.
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers

FOLDER = Path(__file__).parent.parent / "training"
torch.manual_seed(20240817)
Q, K, WIDTH = 3, 4, 5


def numbers(tensor):
    return [float(x) for x in tensor.detach().double().reshape(-1)]


def binary_cross_entropy(weight):
    logits = torch.tensor([0.3, -2.0, 40.0, -35.0, 1.7, 0.0], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([1, 0, 1, 1, 0, 1], dtype=torch.float64)
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(weight, dtype=torch.float64))(logits, labels)
    loss.backward()
    return {"weight": weight, "logits": numbers(logits), "labels": numbers(labels), "value": loss.item(),
            "gradient": numbers(logits.grad)}


DEFAULTS = {"tau": 0.2, "teacherTau": None, "scaleByTauSquared": False, "studentScores": "normalized",
            "teacherScores": "sigmoid", "klWeight": 1.0, "contrastiveWeight": 0.3, "contrastive": "margin",
            "margin": 0.7, "contrastiveTemperature": 0.05, "positivesFrom": "labels", "positiveThreshold": 0.5,
            "negativePenaltyWeight": 0.4, "negativeTarget": 0.15}


def distillation_loss(rows, logits, labels, passages, known, settings):
    """rows [Q, K + 1, width], each query before its candidates; logits and labels [Q, K]; passages: ids, [Q][K];
    known: ids of each query's positives. Returns the loss and its three unweighted parts."""
    s = {**DEFAULTS, **settings}
    count, width = logits.shape
    judged = torch.sigmoid(logits)
    cosine = F.cosine_similarity(rows[:, :1], rows[:, 1:], dim=-1)
    normalized = (cosine + 1) / 2
    if s["studentScores"] == "relu":
        normalized = F.relu(cosine)
    x = cosine if s["studentScores"] == "cosine" else normalized
    t = logits if s["teacherScores"] == "logit" else judged
    p, q = F.softmax(t / (s["teacherTau"] or s["tau"]), dim=-1), F.softmax(x / s["tau"], dim=-1)
    kl = (p * ((p + 1e-12).log() - (q + 1e-12).log())).sum(dim=-1).mean()
    if s["scaleByTauSquared"]:
        kl = kl * s["tau"]**2
    up = labels if s["positivesFrom"] == "labels" else judged > s["positiveThreshold"]
    if s["contrastive"] == "margin":
        terms = [F.relu(s["margin"] - (normalized[q][up[q]].mean() - normalized[q][~up[q]].mean()))
                 for q in range(count) if up[q].any() and (~up[q]).any()]
    else:
        terms = []
        for q in range(count):
            good = set(known[q]) | {passages[q][k] for k in range(width) if up[q, k]}
            negatives = [(p, k) for p in range(count) for k in range(width)
                         if (not up[q, k] if p == q else passages[p][k] not in good)]
            for k in range(width):
                if up[q, k]:
                    against = torch.stack([rows[q, k + 1]] + [rows[p, j + 1] for p, j in negatives])
                    scores = F.cosine_similarity(rows[q, :1], against, dim=-1) / s["contrastiveTemperature"]
                    terms.append(F.cross_entropy(scores[None], torch.tensor([0])))
    contrast = torch.stack(terms).mean()
    batch = F.relu(normalized[~up].mean() - s["negativeTarget"])
    mean = torch.stack([F.relu(normalized[q][~up[q]].mean() - s["negativeTarget"])
                        for q in range(count) if (~up[q]).any()]).mean()
    penalty = batch + 0.5 * mean
    loss = s["klWeight"] * kl + s["contrastiveWeight"] * contrast + s["negativePenaltyWeight"] * penalty
    return loss, [kl, contrast, penalty]


def distillation(name, **settings):
    rows = torch.randn(Q, K + 1, WIDTH, dtype=torch.float64)
    rows[:, 1] += 1.5 * rows[:, 0]  # the first candidate lies near its query
    rows.requires_grad_()
    logits = torch.randn(Q, K, dtype=torch.float64) * 3
    labels = torch.zeros(Q, K, dtype=torch.bool)
    labels[:, 0] = True
    # The second query's positive is among the first query's negatives, and the third's as well.
    passages = [[0, 1, 2, 3], [1, 4, 5, 6], [2, 7, 8, 1]]
    known = [[0], [1, 8], [2, 5]]
    loss, parts = distillation_loss(rows, logits, labels, passages, known, settings)
    loss.backward()
    return {"name": name, "settings": {**DEFAULTS, **settings}, "candidates": K, "width": WIDTH,
            "embeddings": numbers(rows), "logits": numbers(logits), "labels": labels.reshape(-1).tolist(),
            "passages": sum(passages, []), "knownPositives": known, "value": loss.item(),
            "parts": [part.item() for part in parts], "gradient": numbers(rows.grad)}


def optimizer():
    steps, size, clip = 6, 7, 0.8
    decayed = torch.nn.Parameter(torch.randn(size))
    plain = torch.nn.Parameter(torch.randn(size))
    initial = numbers(decayed) + numbers(plain)
    adam = torch.optim.AdamW([{"params": [decayed], "weight_decay": 0.1}, {"params": [plain], "weight_decay": 0.0}],
                             lr=0.03, betas=(0.9, 0.999), eps=1e-8)
    schedule = transformers.get_linear_schedule_with_warmup(adam, 2, steps)
    gradients, norms, values = [], [], []
    for _ in range(steps):
        decayed.grad, plain.grad = torch.randn(size) * 0.3, torch.randn(size) * 0.3
        gradients.append(numbers(decayed.grad) + numbers(plain.grad))
        norms.append(float(torch.nn.utils.clip_grad_norm_([decayed, plain], clip)))
        adam.step()
        schedule.step()
        values.append(numbers(decayed) + numbers(plain))
    return {"size": size, "clip": clip, "lr": 0.03, "decay": 0.1, "warmup": 2, "initial": initial,
            "gradients": gradients, "norms": norms, "values": values}


def schedules():
    rates = {}
    for name, make in [("linear", transformers.get_linear_schedule_with_warmup),
                       ("cosine", transformers.get_cosine_schedule_with_warmup),
                       ("constant", lambda a, w, n: transformers.get_constant_schedule_with_warmup(a, w))]:
        adam = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = make(adam, 3, 10)
        rates[name] = []
        for _ in range(10):
            rates[name].append(schedule.get_last_lr()[0])
            adam.step()
            schedule.step()
    return {"warmup": 3, "steps": 10, "rates": rates}


def write(name, value):
    (FOLDER / name).write_text(json.dumps(value) + "\n")


if __name__ == "__main__":
    write("losses.json", {
        "binaryCrossEntropy": [binary_cross_entropy(1.0), binary_cross_entropy(2.5)],
        "distillation": [
            distillation("defaults"),
            distillation("logits", tau=0.3, teacherTau=1.5, scaleByTauSquared=True, studentScores="cosine",
                         teacherScores="logit"),
            distillation("positives from the teacher", positivesFrom="teacher", margin=0.9, negativeTarget=0.4),
            distillation("relu", studentScores="relu", positivesFrom="teacher", negativeTarget=0.05),
            distillation("infonce", klWeight=0.4, contrastive="infonce", contrastiveTemperature=0.1,
                         contrastiveWeight=0.7),
            distillation("infonce by the teacher", contrastive="infonce", positivesFrom="teacher",
                         negativePenaltyWeight=0.0),
        ]})
    write("optimizer.json", {"adamW": optimizer(), "schedules": schedules()})
