"""Makes Tests/Fixtures/folders: what sentence-transformers and transformers make of the small files of a model's folder,
laid over Tests/Fixtures/pytorch/base.

Needs torch, transformers, sentence-transformers; run pytorch.py before. Run from anywhere.
"""

import json
import random
import shutil
import tempfile
from pathlib import Path

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import AutoTokenizer

fixtures = Path(__file__).parent.parent
base = fixtures / "pytorch" / "base"
out = fixtures / "folders"
shutil.rmtree(out, ignore_errors=True)
out.mkdir(parents=True)
random.seed(5)
letters = "abcdefghijklmnopqrst"
passages = [" ".join(random.choices(letters, k=random.randint(1, 9))) for _ in range(12)]
queries = [p.split()[0] for p in passages]


def rows(vectors):
    return [[float(x) for x in row] for row in vectors]


def results(model):
    evaluator = InformationRetrievalEvaluator(
        {f"q{i:02}": q for i, q in enumerate(queries)}, {f"p{i:02}": p for i, p in enumerate(passages)},
        {f"q{i:02}": {f"p{i:02}"} for i in range(len(queries))})
    values = evaluator(model)
    name = model.similarity_fn_name
    return {metric: float(values[f"{name}_{metric}"]) for metric in ("mrr@10", "ndcg@10")}


# Prompts of queries and passages, vectors of any length compared by their product.
prompted = SentenceTransformer(
    modules=[Transformer(str(base)), Pooling(32, "mean")], prompts={"query": "a b ", "document": "c "},
    similarity_fn_name="dot")
with tempfile.TemporaryDirectory() as scratch:
    prompted.save(scratch, create_model_card=False)
    for name in ["modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "1_Pooling/config.json"]:
        (out / "prompted" / name).parent.mkdir(parents=True, exist_ok=True)
        values = json.loads((Path(scratch) / name).read_text())
        if isinstance(values, dict):
            values.pop("__version__", None)
        (out / "prompted" / name).write_text(json.dumps(values, indent=2) + "\n")
# Vectors of which the first elements are kept, compared by their product and by their cosine.
truncated = {}
for similarity in ("dot", "cosine"):
    model = SentenceTransformer(
        modules=[Transformer(str(base)), Pooling(32, "mean"), Normalize()], similarity_fn_name=similarity, truncate_dim=5)
    with tempfile.TemporaryDirectory() as scratch:
        model.save(scratch, create_model_card=False)
        model = SentenceTransformer(scratch)
    truncated[similarity] = {
        "default": rows(model.encode(queries)), "unit": rows(model.encode(queries, normalize_embeddings=True)),
        "similarity": rows(model.similarity(model.encode(queries), model.encode(passages))), "metrics": results(model)}
plain = SentenceTransformer(str(base))
vectors = {
    "queries": queries, "passages": passages,
    "prompted": {
        "query": rows(prompted.encode_query(queries)), "passage": rows(prompted.encode_document(passages)),
        "default": rows(prompted.encode(queries)),
        "metrics": results(SentenceTransformer(modules=list(prompted), prompts=prompted.prompts, similarity_fn_name="dot")),
    },
    "truncated": truncated,
    "plain": {"default": rows(plain.encode(queries)), "metrics": results(plain)},
}
(out / "vectors.json").write_text(json.dumps(vectors) + "\n")

# What BertTokenizer and others make of keys that contradict tokenizer.json, and of the side at which texts are cut.
normal = json.loads((base / "tokenizer.json").read_text())["normalizer"]
settings = json.loads((base / "tokenizer_config.json").read_text())
left = {"direction": "Left", "max_length": 6, "strategy": "LongestFirst", "stride": 0}
bare = {key: value for key, value in settings.items() if key not in ("do_lower_case", "strip_accents", "tokenize_chinese_chars")}
cases = {
    "agreeing": (settings, normal, None),
    "do_lower_case-false": (settings | {"do_lower_case": False}, normal, None),
    "lowercase-false": (settings, normal | {"lowercase": False}, None),
    "lowercase-false-without-key": (bare, normal | {"lowercase": False}, None),
    "other-class": (settings | {"do_lower_case": False, "tokenizer_class": "PreTrainedTokenizerFast"}, normal, None),
    "no-class": ({k: v for k, v in settings.items() if k != "tokenizer_class"} | {"do_lower_case": False}, normal, None),
    "fast-class": (settings | {"do_lower_case": False, "tokenizer_class": "BertTokenizerFast"}, normal, None),
    "strip_accents-false": (settings | {"strip_accents": False}, normal, None),
    "accents-kept-by-tokenizer.json": (settings, normal | {"strip_accents": False}, None),
    "tokenize_chinese_chars-false": (settings | {"tokenize_chinese_chars": False}, normal, None),
    "truncation_side-left": (settings | {"truncation_side": "left"}, normal, None),
    "direction-left": (settings, normal, left),
    "direction-left-side-right": (settings | {"truncation_side": "right"}, normal, left),
}
texts = ["a B c é d e f", "漢a", "T r"]
golden = {}
for name, (config, normalizer, truncation) in cases.items():
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        shutil.copytree(base, folder)
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        tokenizer = json.loads((folder / "tokenizer.json").read_text()) | {"normalizer": normalizer, "truncation": truncation}
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
        read = AutoTokenizer.from_pretrained(folder)
        golden[name] = {
            "config": config, "normalizer": normalizer, "truncation": truncation,
            "ids": [read(text, truncation=True, max_length=6)["input_ids"] for text in texts],
            "pair": read("a b c d", "E f g h i", truncation=True, max_length=7)["input_ids"],
        }
(out / "tokenizers.json").write_text(json.dumps({"texts": texts, "pair": ["a b c d", "E f g h i"], "cases": golden}, ensure_ascii=False) + "\n")
