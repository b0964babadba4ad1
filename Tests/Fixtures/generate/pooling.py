"""Makes Tests/Fixtures/folders/pooling.json: vectors of sentence-transformers with every way of pooling, laid over
Tests/Fixtures/pytorch/base and Tests/Fixtures/folders/prompted.

Needs torch, transformers, sentence-transformers; run pytorch.py and folders.py before. Run from anywhere.
"""

import json
import shutil
import tempfile
from pathlib import Path

from sentence_transformers import SentenceTransformer

fixtures = Path(__file__).parent.parent
# The third is longer than the model's positions.
texts = ["a", "b c d", "t s r q p o n m l k j i h g f e d c b a", "c b a d"]
modes = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
classic = ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
configs = [
    *({"embedding_dimension": 32, "pooling_mode": mode} for mode in modes),
    *({"word_embedding_dimension": 32, f"pooling_mode_{key}": True} for key in classic),
    {"pooling_mode": modes},
    {"pooling_mode": ["lasttoken", "max", "max"]},
    {f"pooling_mode_{key}": True for key in reversed(classic)},
    {f"pooling_mode_{key}": False for key in classic},
    {"word_embedding_dimension": 32},
]
configs = [{"embedding_dimension": 32} | c if "word_embedding_dimension" not in c else c for c in configs]
configs += [c | {"include_prompt": False} for c in configs if "pooling_mode" in c]
cases = []
with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch) / "model"
    shutil.copytree(fixtures / "pytorch" / "base", folder)
    shutil.copytree(fixtures / "folders" / "prompted", folder, dirs_exist_ok=True)
    for config in configs:
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
        model = SentenceTransformer(str(folder), device="cpu")
        vectors = model.encode_query(texts)
        cases.append({"config": json.dumps(config), "query": [[round(float(x), 6) for x in row] for row in vectors]})
out = fixtures / "folders" / "pooling.json"
out.write_text(json.dumps({"texts": texts, "cases": cases}) + "\n")
