"""Holds Retort's numbers against the reference programs': token ids, embeddings, logits, and the folders it writes.

  python exactness.py MODEL [--retort retort] [--sentences 1000] [--lines 10000]

MODEL is the folder of all-MiniLM-L6-v2. Prints one line a check with the largest difference; exits with 1 if any
is over its limit. Needs sentence-transformers, peft, tokenizers.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from peft import PeftModel
from safetensors.numpy import load_file
from sentence_transformers import CrossEncoder, SentenceTransformer
from tokenizers import Tokenizer
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from checks import check, failures, read_lines, run, write_lines

GENERATOR = Path(__file__).resolve().parents[2] / "Tests/Fixtures/generate/wordpiece.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=10000)
    options = parser.parse_args()
    model, retort = str(options.model.resolve()), options.retort

    made = subprocess.run([sys.executable, str(GENERATOR), "lines", str(options.lines)], capture_output=True, check=True)
    lines = [json.loads(line) for line in made.stdout.splitlines()]
    reference = Tokenizer.from_file(f"{model}/tokenizer.json")
    reference.no_truncation()
    reference.no_padding()
    expected = [reference.encode(line).ids for line in lines]
    usable = [line for line, ids in zip(lines, expected) if len(ids) > 2]
    sentences = usable[:options.sentences]

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_lines(folder / "lines.jsonl", [{"text": line} for line in lines])
        printed = subprocess.run([retort, "tokenize", model, str(folder / "lines.jsonl")], capture_output=True, check=True)
        ids = [json.loads(line)["ids"] for line in printed.stdout.splitlines()]
        check(f"lines of {len(lines)} whose token ids differ", sum(a != b for a, b in zip(ids, expected)), 0)

        # A cross-encoder with a head of random numbers, as any program might hand one over.
        torch.manual_seed(0)
        cross = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
        torch.nn.init.normal_(cross.classifier.weight)
        cross.save_pretrained(folder / "cross")
        AutoTokenizer.from_pretrained(model).save_pretrained(folder / "cross")
        write_lines(folder / "texts.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(sentences)])
        pairs = [(sentences[i], sentences[(7 * i + 3) % len(sentences)]) for i in range(len(sentences))]
        write_lines(folder / "pairs.jsonl", [
            {"id": str(i), "query": a, "candidates": [{"id": "p", "text": b, "label": 1, "source": "positive"}]}
            for i, (a, b) in enumerate(pairs)])
        groups = [{"id": str(i), "query": f"{a} {i}", "positives": [{"id": f"p{i}", "text": f"{b} {i}"}],
                   "negatives": [{"id": f"n{i}", "text": f"{a} {-i}"}]} for i, (a, b) in enumerate(pairs[:64])]
        write_lines(folder / "groups.jsonl", groups)
        training = {"epochs": 1, "batch_size": 8, "lr": 1e-3, "max_len": 64, "lora": {"r": 8, "alpha": 16}}
        out = run(retort, folder, "exact", {
            "embedded": {"uses": "embed", "in": {"model": model, "texts": "texts.jsonl"}},
            "judged": {"uses": "score", "in": {"teacher": "cross", "candidates": "pairs.jsonl"}},
            "teacher": {"uses": "teacher", "in": {"base": model, "train": "groups.jsonl"}, "with": training},
            "mined": {"uses": "mine", "in": {"groups": "groups.jsonl"}, "with": {"num_negatives": 4}},
            "scored": {"uses": "score", "in": {"teacher": "teacher.model", "candidates": "mined.candidates"}},
            "student": {"uses": "distill", "in": {"base": model, "scores": "scored.scores"}, "with": {**training, "K": 4}},
            "judged-teacher": {"uses": "score", "in": {"teacher": "teacher.model", "candidates": "pairs.jsonl"}},
            "embedded-student": {"uses": "embed", "in": {"model": "student.student", "texts": "texts.jsonl"}},
        })

        def embeddings(stage: str) -> np.ndarray:
            return load_file(out[stage]["embeddings"] / "embeddings.safetensors")["embeddings"]

        def logits(stage: str) -> np.ndarray:
            return np.array([line["candidates"][0]["logit"] for line in read_lines(out[stage]["scores"])])

        def difference(name: str, ours: np.ndarray, theirs: np.ndarray, limit: float = 1e-4) -> None:
            check(name, float(np.abs(ours - theirs).max()), limit)

        identity = torch.nn.Identity()
        difference("embeddings of MiniLM against SentenceTransformer", embeddings("embedded"),
                   SentenceTransformer(model, device="cpu").encode(sentences))
        difference("logits of a cross-encoder against CrossEncoder", logits("judged"),
                   CrossEncoder(str(folder / "cross"), device="cpu").predict(pairs, activation_fn=identity))
        difference("the student's folder in SentenceTransformer", embeddings("embedded-student"),
                   SentenceTransformer(str(out["student"]["student"]), device="cpu").encode(sentences))
        teacher = CrossEncoder(str(out["teacher"]["model"]), device="cpu")
        difference("the teacher's folder in CrossEncoder, logits", logits("judged-teacher"),
                   teacher.predict(pairs, activation_fn=identity))
        scores = [line["candidates"][0]["score"] for line in read_lines(out["judged-teacher"]["scores"])]
        difference("the same, scores by its own activation", np.array(scores), teacher.predict(pairs))

        tokens = AutoTokenizer.from_pretrained(model)(sentences[:32], padding=True, truncation=True, return_tensors="pt")
        real = tokens["attention_mask"].bool().numpy()  # what stands at padding is nobody's result
        with torch.no_grad():
            base = AutoModel.from_pretrained(model)
            adapted = PeftModel.from_pretrained(base, out["student"]["student"] / "adapter").eval()
            merged = AutoModel.from_pretrained(out["student"]["student"]).eval()
            difference("base + the student's adapter in PEFT against the merged folder",
                       adapted(**tokens).last_hidden_state.numpy()[real], merged(**tokens).last_hidden_state.numpy()[real])
            base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
            adapted = PeftModel.from_pretrained(base, out["teacher"]["model"] / "adapter").eval()
            merged = AutoModelForSequenceClassification.from_pretrained(out["teacher"]["model"]).eval()
            difference("base + the teacher's adapter in PEFT against the merged folder",
                       adapted(**tokens).logits.numpy(), merged(**tokens).logits.numpy())
    sys.exit(1 if failures else 0)


main()
