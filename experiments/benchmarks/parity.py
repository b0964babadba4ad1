"""Retort's training against PyTorch + PEFT: the same initial weights and batches, no dropout, 20 steps.

    python parity.py MODEL [--retort PROGRAM] [--work FOLDER]

MODEL is a BERT encoder's folder, for example all-MiniLM-L6-v2. Needs torch, transformers and peft.
Retort runs its ordinary stages on a pipeline written here; the losses of each step come from its database. PyTorch starts
from what the same stages write with `epochs: 0` (adapter, new head, merged weights), finds the same batches by computing
the seeded draws again (Philox, below), and pads and masks its batches as usual.
"""
import argparse
import json
import math
import random
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from peft import PeftModel

sys.path.append(str(Path(__file__).resolve().parents[2] / "Tests/Fixtures/generate"))
from losses import distillation_loss

SEED, STEPS, MAX_LEN, CLIP, DECAY = 11, 20, 64, 1.0, 0.01
TEACHER_BATCH, GROUPS, K, CANDIDATES = 16, 4, 4, 8
LORA = {"r": 8, "alpha": 16, "dropout": 0}
CONSTANT = {"schedule": "constant", "warmup_ratio": 0}
# What the stages of pipelines/distill.yaml are set to: the program that it replaces.
TEACHERS = {"teacher": {"pos_weight": 2.0}, "teacher-source": {**CONSTANT, "max_grad_norm": 0, "pair_form": "text"}}
SOURCE = {
    "tau": 0.2, "student_scores": "normalized", "teacher_scores": "sigmoid", "kl_weight": 1.0, "contrastive": "margin",
    "contrastive_weight": 0.3, "negative_penalty_weight": 0.4,
}
# And what `distill` is set to where a file says nothing.
STANDARD = {
    "tau": 0.05, "student_scores": "cosine", "teacher_scores": "logit", "teacher_tau": 1.0, "kl_weight": 0.3,
    "contrastive": "infonce", "contrastive_weight": 1.0, "negative_penalty_weight": 0.0,
}
DISTILLATIONS = {
    "distill": STANDARD,
    "distill-source": {**SOURCE, **CONSTANT, "positives_from": "teacher"},
    "distill-relu": {**SOURCE, **CONSTANT, "positives_from": "teacher", "student_scores": "relu"},
    "distill-labels": SOURCE,
    "distill-kl": {
        **SOURCE, "contrastive_weight": 0, "negative_penalty_weight": 0, "tau": 0.1, "scale_by_tau_squared": True,
    },
    "distill-logits": {**SOURCE, "student_scores": "cosine", "teacher_scores": "logit", "teacher_tau": 2.0, "tau": 0.05},
    "distill-margin": {**SOURCE, "contrastive_weight": 5, "negative_penalty_weight": 0, "positives_from": "teacher"},
    "distill-penalty": {**SOURCE, "contrastive_weight": 0, "negative_penalty_weight": 5},
    "distill-infonce": {**SOURCE, "contrastive": "infonce", "contrastive_weight": 1},
}
# The grammar program's step: a softmax over a question's own five rules, whose temperature learns, from the last token. As
# the program has it, τ begins at 1 and learns at the rate of all else.
DUAL_CANDIDATES = 5
DUALS = {"dual": {"init": 0.05, "lr": 1e-2}, "dual-source": {"init": 1.0, "lr": None}}
RELATIVE, ABSOLUTE = 1e-5, 1e-6


def distillations(tuning):
    """Every setting with adapters; the default one and the source's with all weights, too."""
    return [item for item in DISTILLATIONS.items() if tuning == "lora" or item[0] in ("distill", "distill-source")]


# --- Seeded draws, as Sources/Training/SeededDraws.swift ---

def philox(counter, key):
    """Philox4x32-10 (Salmon et al., 2011)."""
    (x, y, z, w), (a, b), mask = counter, key, 0xFFFFFFFF
    for _ in range(10):
        left, right = x * 0xD2511F53, z * 0xCD9E8D57
        x, y, z, w = (right >> 32) ^ y ^ a, right & mask, (left >> 32) ^ w ^ b, left & mask
        a, b = (a + 0x9E3779B9) & mask, (b + 0xBB67AE85) & mask
    return x, y, z, w


class Stream:
    def __init__(self, purpose, epoch, query):
        self.rest, self.index = [query, epoch, purpose], 0

    def below(self, bound):
        words = philox([self.index] + self.rest, [SEED & 0xFFFFFFFF, SEED >> 32])
        self.index += 1
        return ((words[1] << 32 | words[0]) * bound) >> 64

    def draw(self, size, count):
        numbers = list(range(count))
        for index in range(size):
            other = index + self.below(count - index)
            numbers[index], numbers[other] = numbers[other], numbers[index]
        return numbers[:size]


def order(count):
    return Stream(2, 0, 0).draw(count, count)


def group(query, positives, negatives):
    stream = Stream(3, 0, query)
    return [positives[stream.below(len(positives))]] + [negatives[i] for i in stream.draw(K - 1, len(negatives))]


# --- Data and Retort's side ---

def sentences(tokenizer, count, lengths, lottery):
    words = sorted(word for word in tokenizer.get_vocab() if word.isalpha() and word.isascii() and len(word) > 3)
    return [" ".join(lottery.choices(words, k=lottery.randint(*lengths))) for _ in range(count)]


def write_data(folder, tokenizer):
    """Groups whose positives share words with their query, and candidates with a random teacher's logits."""
    lottery = random.Random(SEED)
    groups, scores = [], []
    pairs_a_query = TEACHER_BATCH * STEPS // (GROUPS * STEPS)
    for index in range(GROUPS * STEPS):
        query, *texts = sentences(tokenizer, CANDIDATES + 2, (4, 40), lottery)
        texts[0] += " " + query
        passages = [{"id": f"p{index}-{place}", "text": text} for place, text in enumerate(texts)]
        groups.append({"id": f"q{index}", "query": query, "positives": passages[:1],
                       "negatives": passages[1:pairs_a_query]})
        candidates = []
        for place, passage in enumerate(passages):
            logit = float(torch.tensor(lottery.gauss(2 if place == 0 else -2, 2)))
            candidates.append({**passage, "label": int(place == 0), "source": "positive" if place == 0 else "random",
                               "logit": logit, "score": 1 / (1 + math.exp(-logit))})
        scores.append({"id": f"q{index}", "query": query, "candidates": candidates})
    questions = [{"id": entry["id"], "query": entry["query"], "positives": named[:1], "negatives": named[1:]}
                 for entry in scores for named in [[{"id": c["id"], "text": c["text"]} for c in entry["candidates"][:DUAL_CANDIDATES]]]]
    for name, records in [("groups.jsonl", groups), ("scores.jsonl", scores), ("questions.jsonl", questions)]:
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return groups, scores


def pipeline(model):
    common = {"epochs": 1, "max_len": MAX_LEN, "max_grad_norm": CLIP, "weight_decay": DECAY, "keep": "last"}
    stages = {}
    for tuning, extra in [("lora", {"lora": LORA, "lr": 1e-3}), ("full", {"lr": 5e-5})]:
        for suffix, epochs in [("start", 0), ("run", 1)]:
            for name, settings in TEACHERS.items() if epochs else [("teacher", {})]:
                stages[f"{name}-{tuning}-{suffix}"] = {
                    "uses": "teacher", "in": {"base": model, "train": "groups.jsonl"},
                    "with": {**common, **extra, **settings, "batch_size": TEACHER_BATCH, "epochs": epochs}}
            for name, settings in distillations(tuning) if epochs else [("distill", {})]:
                stages[f"{name}-{tuning}-{suffix}"] = {
                    "uses": "distill", "in": {"base": model, "scores": "scores.jsonl"},
                    "with": {**common, **extra, **settings, "batch_size": GROUPS, "K": K, "epochs": epochs}}
            for name, temperature in DUALS.items() if epochs else [("dual", DUALS["dual"])]:
                stages[f"{name}-{tuning}-{suffix}"] = {
                    "uses": "dual-encoder", "in": {"base": model, "train": "questions.jsonl"},
                    "with": {**common, **extra, "batch_size": GROUPS, "epochs": epochs, "loss": "ce", "pooling": "last_token",
                             "num_negatives": DUAL_CANDIDATES - 1,
                             "temperature": {**temperature, "lr": temperature["lr"] or extra["lr"]}}}
    return {"version": 1, "defaults": {"seed": SEED, "threads": 2, "memory": "6GB"}, "stages": stages}


def run_retort(program, folder, model):
    """Per stage its steps' metrics, and the folder that it wrote."""
    file = folder / "parity.yaml"
    file.write_text(json.dumps(pipeline(model), indent=1))
    store = ["--store", str(folder / ".retort")]
    subprocess.run([program, "run", str(file), *store], check=True)
    shown = subprocess.run([program, "show", "latest", "--json", *store], check=True, capture_output=True, text=True)
    report = json.loads(shown.stdout)
    outputs = {stage["name"]: next(iter(stage["outputs"].values()))["path"] for stage in report["stages"]}
    database = sqlite3.connect(folder / ".retort/retort.sqlite")
    rows = database.execute(  # a cached stage's steps belong to the run that computed it
        "SELECT stage, metric.name, step, value FROM stage_run "
        "JOIN metric ON metric.stage_run = coalesce(stage_run.origin, stage_run.id) "
        "WHERE run = (SELECT max(id) FROM run) AND step IS NOT NULL ORDER BY step").fetchall()
    metrics = {}
    for stage, name, _, value in rows:
        metrics.setdefault(stage, {}).setdefault(name, []).append(value)
    return metrics, outputs


# --- PyTorch's side ---

def train(model, batches, rate, settings, more=()):
    """`batches` gives (loss, parts) functions, `more` (ln τ, its rate) or nothing; returns each step's metrics."""
    model.eval()  # no dropout
    trainable = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    plain = [weight for name, weight in trainable if name.endswith("bias") or "LayerNorm" in name]
    decayed = [weight for _, weight in trainable if not any(weight is other for other in plain)]
    adam = torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0},
                              *({"params": [weight], "weight_decay": 0.0, "lr": own} for weight, own in more)], lr=rate)
    if settings.get("schedule") == "constant":
        schedule = transformers.get_constant_schedule(adam)
    else:
        schedule = transformers.get_linear_schedule_with_warmup(adam, math.ceil(0.1 * STEPS), STEPS)
    clip = settings.get("max_grad_norm", CLIP) or math.inf
    metrics = {}
    for batch in batches:
        adam.zero_grad()
        values = batch()
        values["loss"].backward()
        values["lr"] = schedule.get_last_lr()[0]
        values["grad_norm"] = torch.nn.utils.clip_grad_norm_(
            [weight for _, weight in trainable] + [weight for weight, _ in more], clip)
        adam.step()
        values |= {"temperature": weight.exp() for weight, _ in more}
        schedule.step()
        for name, value in values.items():
            metrics.setdefault(name, []).append(float(value.detach() if torch.is_tensor(value) else value))
    return metrics


def teacher(start, model, tuning, tokenizer, groups, settings):
    if tuning == "lora":
        base = transformers.AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
        network = PeftModel.from_pretrained(base, start + "/adapter", is_trainable=True)
    else:
        network = transformers.AutoModelForSequenceClassification.from_pretrained(start, num_labels=1)
    pairs = [(entry["query"], passage["text"], label) for entry in groups
             for label, passages in [(1.0, entry["positives"]), (0.0, entry["negatives"])] for passage in passages]
    shuffled = order(len(pairs))
    bce = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(settings.get("pos_weight", 1.0)))

    def batch(items):
        queries, passages, labels = zip(*(pairs[item] for item in items))
        cut = {"max_length": MAX_LEN, "padding": True, "return_tensors": "pt"}
        if settings.get("pair_form") == "text":
            inputs = tokenizer([f"{q} [SEP] {p}" for q, p in zip(queries, passages)], truncation=True, **cut)
        else:
            inputs = tokenizer(queries, passages, truncation="longest_first", **cut)
        return {"loss": bce(network(**inputs).logits[:, 0], torch.tensor(labels))}

    steps = [shuffled[i * TEACHER_BATCH:(i + 1) * TEACHER_BATCH] for i in range(STEPS)]
    return network, [lambda items=items: batch(items) for items in steps]


def student(start, model, tuning, tokenizer, scores, settings):
    base = transformers.AutoModel.from_pretrained(model if tuning == "lora" else start)
    network = PeftModel.from_pretrained(base, start + "/adapter", is_trainable=True) if tuning == "lora" else base
    shuffled = order(len(scores))
    camel = {"".join([word if i == 0 else word.capitalize() for i, word in enumerate(key.split("_"))]): value
             for key, value in settings.items()}

    def batch(items):
        texts, chosen = [], []
        for item in items:
            candidates = scores[item]["candidates"]
            drawn = group(item, candidates[:1], candidates[1:])
            texts += [scores[item]["query"]] + [candidate["text"] for candidate in drawn]
            chosen.append(drawn)
        inputs = tokenizer(texts, truncation=True, max_length=MAX_LEN, padding=True, return_tensors="pt")
        mask = inputs["attention_mask"][:, :, None].float()
        pooled = (network(**inputs).last_hidden_state * mask).sum(1) / mask.sum(1)
        loss, parts = distillation_loss(
            pooled.reshape(len(items), K + 1, -1), torch.tensor([[c["logit"] for c in drawn] for drawn in chosen]),
            torch.tensor([[c["label"] == 1 for c in drawn] for drawn in chosen]),
            [[c["id"] for c in drawn] for drawn in chosen], [[scores[item]["candidates"][0]["id"]] for item in items],
            camel)
        return {"loss": loss, "kl": parts[0], "contrastive": parts[1], "negative_penalty": parts[2]}

    steps = [shuffled[i * GROUPS:(i + 1) * GROUPS] for i in range(STEPS)]
    return network, [lambda items=items: batch(items) for items in steps]


def dual(start, model, tuning, tokenizer, scores, log_temperature):
    base = transformers.AutoModel.from_pretrained(model if tuning == "lora" else start)
    network = PeftModel.from_pretrained(base, start + "/adapter", is_trainable=True) if tuning == "lora" else base
    shuffled = order(len(scores))

    def batch(items):
        texts = [text for item in items for text in [
            scores[item]["query"], *(c["text"] for c in scores[item]["candidates"][:DUAL_CANDIDATES])]]
        inputs = tokenizer(texts, truncation=True, max_length=MAX_LEN, padding=True, return_tensors="pt")
        last = inputs["attention_mask"].sum(1) - 1
        states = network(**inputs).last_hidden_state[torch.arange(len(texts)), last]
        vectors = torch.nn.functional.normalize(states, dim=-1).reshape(len(items), 1 + DUAL_CANDIDATES, -1)
        scored = torch.einsum("qd,qcd->qc", vectors[:, 0], vectors[:, 1:]) / log_temperature.exp()
        loss = torch.nn.functional.cross_entropy(scored, torch.zeros(len(items), dtype=torch.long))
        return {"loss": loss}

    steps = [shuffled[i * GROUPS:(i + 1) * GROUPS] for i in range(STEPS)]
    return network, [lambda items=items: batch(items) for items in steps]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--work", default=tempfile.mkdtemp(prefix="parity-"), help="kept afterwards")
    arguments = parser.parse_args()
    folder = Path(arguments.work).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    model = str(Path(arguments.model).resolve())
    torch.manual_seed(SEED)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    groups, scores = write_data(folder, tokenizer)
    ours, outputs = run_retort(arguments.retort, folder, model)

    worst = 0.0
    print(f"{'training':<24} {'metric':<17} {'first':>10} {'last':>10} {'largest relative difference':>28}")
    for tuning, rate in [("lora", 1e-3), ("full", 5e-5)]:
        for name, settings in [*TEACHERS.items(), *distillations(tuning), *DUALS.items()]:
            more = []
            if name in DUALS:
                log_temperature = torch.nn.Parameter(torch.tensor(math.log(settings["init"])))
                more = [(log_temperature, settings["lr"] or rate)]
                network, batches = dual(outputs[f"dual-{tuning}-start"], model, tuning, tokenizer, scores, log_temperature)
            elif name in TEACHERS:
                network, batches = teacher(
                    outputs[f"teacher-{tuning}-start"], model, tuning, tokenizer, groups, settings)
            else:
                network, batches = student(
                    outputs[f"distill-{tuning}-start"], model, tuning, tokenizer, scores, settings)
            theirs = train(network, batches, rate, {} if name in DUALS else settings, more)
            for metric, expected in theirs.items():
                found = ours[f"{name}-{tuning}-run"][metric]
                assert len(found) == len(expected) == STEPS, (name, metric, len(found), len(expected))
                # Of what is allowed: 1 is the limit.
                share = max(abs(a - b) / (RELATIVE * abs(b) + ABSOLUTE) for a, b in zip(found, expected))
                relative = max(abs(a - b) / max(abs(b), ABSOLUTE) for a, b in zip(found, expected))
                if metric not in ("lr", "grad_norm"):
                    worst = max(worst, share)
                title = f"{name} {tuning}"
                print(f"{title:<24} {metric:<17} {expected[0]:>10.6f} {expected[-1]:>10.6f} {relative:>28.2e}", flush=True)
    print(f"largest difference of a loss: {worst:.3f} of what is allowed ({RELATIVE} relative + {ABSOLUTE})")
    return worst > 1


if __name__ == "__main__":
    sys.exit(main())
