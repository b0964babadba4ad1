"""Writes Tests/Fixtures/training/label_losses.json: values and gradients of sentence-transformers' losses.

    python label_losses.py    # needs torch and sentence-transformers 6.2

The losses are sentence-transformers' own, handed embeddings instead of texts, in double; `ce` is the grammar program's
formula (softmax over each query's candidates, ln τ learnt), composed of PyTorch's modules.
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from sentence_transformers.sentence_transformer.losses import gist_embed
from sentence_transformers.sentence_transformer.losses.cosent import CoSENTLoss
from sentence_transformers.sentence_transformer.losses.margin_mse import MarginMSELoss
from sentence_transformers.sentence_transformer.losses.multiple_negatives_ranking import MultipleNegativesRankingLoss
from sentence_transformers.util import cos_sim, dot_score, pairwise_cos_sim, pairwise_dot_score

FILE = Path(__file__).parent.parent / "training" / "label_losses.json"
torch.manual_seed(20261128)
QUERIES, WIDTH = 4, 6

DEFAULTS = {"kind": "mnr", "similarity": "cosine", "directions": ["query_to_doc"], "partition": "joint",
            "hardness": "none", "hardnessStrength": 0.0, "marginStrategy": None, "margin": 0.0, "matryoshka": []}


def gist(columns, guide, log_tau, s):
    gist_embed.embed_columns = lambda model, features: [feature[model] for feature in features]
    loss = gist_embed.GISTEmbedLoss.__new__(gist_embed.GISTEmbedLoss)
    torch.nn.Module.__init__(loss)
    loss.model, loss.guide, loss.must_retokenize, loss.gather_across_devices = "model", "guide", False, False
    loss.temperature, loss.margin_strategy, loss.margin = log_tau.exp(), s["marginStrategy"], s["margin"]
    loss.contrast_anchors = "query_to_query" in s["directions"]
    loss.contrast_positives = "positive_to_positive" in s["directions"]
    loss.similarity_fct, loss.cross_entropy_loss = torch.nn.CosineSimilarity(dim=-1), torch.nn.CrossEntropyLoss()
    return loss([{"model": c, "guide": g} for c, g in zip(columns, guide)], None)


def loss_of(columns, guide, scores, log_tau, s):
    dot = s["similarity"] == "dot"
    if s["kind"] == "ce":
        candidates = torch.stack(columns[1:], dim=1)
        logits = torch.stack([(dot_score if dot else cos_sim)(q[None], c)[0] for q, c in zip(columns[0], candidates)])
        return F.cross_entropy(logits / log_tau.exp(), torch.zeros(QUERIES, dtype=torch.long))
    if s["kind"] == "margin_mse":
        pairwise = pairwise_dot_score if dot else pairwise_cos_sim
        return MarginMSELoss(None, lambda a, b: pairwise(a, b) / log_tau.exp()).compute_loss_from_embeddings(
            columns, scores)
    if s["kind"] == "cosent":
        queries = columns[0].repeat(len(columns) - 1, 1)
        return CoSENTLoss(None, scale=(-log_tau).exp()).compute_loss_from_embeddings(
            [queries, torch.cat(columns[1:])], scores.T.reshape(-1))
    if guide is not None:
        return gist(columns, guide, log_tau, s)
    return MultipleNegativesRankingLoss(
        None, scale=(-log_tau).exp(), similarity_fct=dot_score if dot else cos_sim,
        directions=tuple(s["directions"]), partition_mode=s["partition"],
        hardness_mode=None if s["hardness"] == "none" else s["hardness"], hardness_strength=s["hardnessStrength"],
    ).compute_loss_from_embeddings(columns, None)


def case(name, negatives=2, tau=0.05, guided=False, labels=None, **settings):
    s = {**DEFAULTS, **settings}
    columns = [torch.randn(QUERIES, WIDTH, dtype=torch.float64) for _ in range(2 + negatives)]
    columns[1] += 0.8 * columns[0]
    for column in columns:
        column.requires_grad_()
    guide = None
    if guided:
        guide = [F.normalize(column.detach() + 0.9 * torch.randn_like(column), dim=-1) for column in columns]
    scores = torch.tensor(labels, dtype=torch.float64) if labels else torch.randn(
        QUERIES, 1 + negatives, dtype=torch.float64) * 2
    log_tau = torch.tensor(tau, dtype=torch.float64).log().requires_grad_()
    prefixes = s["matryoshka"] or [[WIDTH, 1.0]]

    def total(log_tau):
        return sum(weight * loss_of([c[:, :size] for c in columns], guide, scores, log_tau, s)
                   for size, weight in prefixes)

    loss = total(log_tau)
    loss.backward()
    # Autograd makes NaN of the -inf of what is left out times the scale: a central difference.
    step = 1e-4
    slope = ((total(log_tau.detach() + step) - total(log_tau.detach() - step)) / (2 * step)).item()
    rows = lambda tensors: [float(x) for x in torch.cat([t.detach() for t in tensors]).reshape(-1)]
    return {"name": name, "settings": s, "queries": QUERIES, "negatives": negatives, "width": WIDTH,
            "logTemperature": log_tau.item(), "embeddings": rows(columns), "guide": rows(guide) if guided else None,
            "scores": scores.reshape(-1).tolist(), "value": loss.item(), "slope": slope,
            "gradient": rows([column.grad for column in columns])}


ALL = ["query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"]
GIST = ["query_to_doc", "query_to_query", "positive_to_positive"]

if __name__ == "__main__":
    cases = [
        case("ce over own candidates, tau 1", kind="ce", negatives=4, tau=1.0),
        case("ce of products", kind="ce", similarity="dot", tau=0.7),
        case("mnr"),
        case("mnr of pairs alone", negatives=0),
        case("mnr of products", similarity="dot", tau=1.0),
        case("mnr both ways, one softmax a direction", directions=["query_to_doc", "doc_to_query"],
             partition="per_direction"),
        case("mnr in all directions", directions=ALL, tau=0.1),
        case("mnr, in-batch negatives by hardness", hardness="in_batch_negatives", hardnessStrength=9.0),
        case("mnr, hard negatives by hardness", hardness="hard_negatives", hardnessStrength=5.0, directions=ALL),
        case("mnr, all negatives by hardness", hardness="all_negatives", hardnessStrength=3.0),
        case("gist", negatives=1, guided=True, directions=GIST, marginStrategy="absolute", tau=0.1),
        case("gist of pairs by a relative margin", negatives=0, guided=True, directions=GIST,
             marginStrategy="relative", margin=0.05, tau=0.1),
        case("gist without anchors", negatives=1, guided=True, marginStrategy="absolute", margin=0.1, tau=0.1),
        case("margin_mse", kind="margin_mse", similarity="dot", tau=1.0),
        case("margin_mse of cosines", kind="margin_mse", negatives=1, tau=0.3),
        case("cosent by scores", kind="cosent"),
        case("cosent by labels", kind="cosent", labels=[[1, 0, 0]] * QUERIES),
        case("mnr of prefixes", matryoshka=[[6, 1.0], [4, 0.5], [2, 2.0]], tau=0.1),
        case("ce of prefixes", kind="ce", matryoshka=[[6, 1.0], [3, 1.0]], tau=0.2),
    ]
    FILE.write_text(json.dumps(cases) + "\n")
