"""Makes Tests/Fixtures/folders/dense and numpy.json: a sentence-transformers folder with two Dense modules, laid over
Tests/Fixtures/pytorch/base, and what numpy makes of it and of other activations.

The encoder here is written from its paper's formulas; it must give what sentence-transformers gave (vectors.json)
before it is asked anything else. Needs numpy; run folders.py before. Run from anywhere.
"""

import json
import math
import struct
from pathlib import Path

import numpy as np

fixtures = Path(__file__).parent.parent
base = fixtures / "pytorch" / "base"
out = fixtures / "folders"
config = json.loads((base / "config.json").read_text())
vocabulary = json.loads((base / "tokenizer.json").read_text())["model"]["vocab"]


def read(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    entries = json.loads(data[8:8 + length])
    entries.pop("__metadata__", None)
    return {
        name: np.frombuffer(data[8 + length:][slice(*e["data_offsets"])], "<f4").reshape(e["shape"]).astype(float)
        for name, e in entries.items()
    }


def write(path, tensors):
    header, body = {}, b""
    for name, tensor in sorted(tensors.items()):
        data = tensor.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


weights = {name.removeprefix("bert."): value for name, value in read(base / "model.safetensors").items()}


def gelu(x):
    return x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def gelu_new(x):
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def linear(x, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def norm(x, name):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + config["layer_norm_eps"])
    return x * weights[name + ".weight"] + weights[name + ".bias"]


def encode(text, activation):
    """Mean of the last hidden states, special tokens included."""
    ids = [vocabulary[token] for token in ["[CLS]", *text.split(), "[SEP]"]]
    words, positions, types = (
        weights[f"embeddings.{name}_embeddings.weight"] for name in ["word", "position", "token_type"])
    x = norm(words[ids] + positions[:len(ids)] + types[0], "embeddings.LayerNorm")
    heads = config["num_attention_heads"]
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"
        q, k, v = (
            linear(x, f"{name}.attention.self.{part}").reshape(len(ids), heads, -1).transpose(1, 0, 2)
            for part in ["query", "key", "value"])
        scores = np.exp(q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1]))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ v
        mixed = mixed.transpose(1, 0, 2).reshape(len(ids), -1)
        x = norm(x + linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        inner = activation(linear(x, f"{name}.intermediate.dense"))
        x = norm(x + linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    return x.mean(0)


golden = json.loads((out / "vectors.json").read_text())
texts = golden["queries"]
plain = np.array([encode(text, gelu) for text in texts])
assert np.abs(plain - np.array(golden["plain"]["default"])).max() < 1e-5

width = config["hidden_size"]
random = np.random.default_rng(5)
layers = [
    {"weight": random.normal(0, 0.3, (12, width)), "bias": random.normal(0, 0.3, 12), "activation": np.tanh},
    {"weight": random.normal(0, 0.3, (6, 12)), "bias": None, "activation": lambda x: x},
]
names = {np.tanh: "torch.nn.modules.activation.Tanh"}
folder = out / "dense"
kinds = ["Transformer", "Pooling", "Dense", "Dense", "Normalize"]
modules = [
    {
        "idx": index, "name": str(index), "path": "" if index == 0 else f"{index}_{kind}",
        "type": f"sentence_transformers.models.{kind}",
    } for index, kind in enumerate(kinds)
]


def save(path, values):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(json.dumps(values, indent=2) + "\n")


save("modules.json", modules)
save("1_Pooling/config.json", {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True})
x = plain
for index, layer in enumerate(layers):
    layer = {key: value.astype("f4").astype(float) if isinstance(value, np.ndarray) else value for key, value in layer.items()}
    save(f"{index + 2}_Dense/config.json", {
        "in_features": layer["weight"].shape[1], "out_features": layer["weight"].shape[0], "bias": layer["bias"] is not None,
        "activation_function": names.get(layer["activation"], "torch.nn.modules.linear.Identity"),
    })
    tensors = {"linear.weight": layer["weight"]} | ({} if layer["bias"] is None else {"linear.bias": layer["bias"]})
    write(folder / f"{index + 2}_Dense" / "model.safetensors", tensors)
    x = layer["activation"](x @ layer["weight"].T + (0 if layer["bias"] is None else layer["bias"]))
x /= np.linalg.norm(x, axis=1, keepdims=True)


def rows(vectors):
    return [[round(float(value), 8) for value in row] for row in vectors]


(out / "numpy.json").write_text(json.dumps({
    "queries": texts, "gelu_new": rows([encode(text, gelu_new) for text in texts]), "dense": rows(x),
}) + "\n")
