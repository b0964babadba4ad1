"""Stage keys computed from their documented encoding, independently of Retort. Writes ../pipelines/keys.json."""

import hashlib
import json
import pathlib
import struct


def encode(value):
    if value is None:
        return b"n"
    if isinstance(value, bool):
        return b"b" + bytes([value])
    if isinstance(value, int):
        return b"i" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"d" + struct.pack(">d", value + 0.0)
    if isinstance(value, str):
        data = value.encode()
        return b"s" + struct.pack(">Q", len(data)) + data
    if isinstance(value, list):
        return b"l" + struct.pack(">Q", len(value)) + b"".join(map(encode, value))
    entries = sorted((key.encode(), value) for key, value in value.items())
    return b"m" + struct.pack(">Q", len(entries)) + b"".join(encode(k.decode()) + encode(v) for k, v in entries)


def key(components):
    data = encode("retort stage key 1") + b"".join(encode(name) + encode(value) for name, value in components)
    return hashlib.sha256(data).hexdigest()


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


keys = {
    # Parameters and seed as in Tests/PipelinesTests/KeyTests.swift; `use_rslora` is at its neutral value.
    "teacher": key([
        ("kind", "teacher"), ("revision", 1),
        ("with.batch_size", 16), ("with.epochs", 3),
        ("with.lora.alpha", 64.0), ("with.lora.dropout", 0.1), ("with.lora.r", 32),
        ("with.lora.target_modules", ["query", "value"]),
        ("with.lr", 2e-5), ("with.max_len", 256), ("with.max_samples", None),
        ("in.base", digest("base")), ("in.train", digest("train")),
        ("seed", "7"), ("numerics", "fp32 portable"),
    ]),
    "command": key([
        ("kind", "cmd"), ("revision", 1),
        ("cmd", "python3 ${in.script} 3 $${x} > ${out.table}"),
        ("out.table", "표.md"), ("metrics", "m.json"),
        ("env.LANG", "C.UTF-8"), ("env.UNSET", None), ("tool.python3", digest("python")),
        ("in.script", digest("script")),
    ]),
    "evaluate": key([
        ("kind", "evaluate"), ("revision", 1), ("in.data", digest("data")), ("in.model", digest("model")),
        ("numerics", "fp32 portable"), ("outside.gnuplot", "6.0"),
    ]),
}
path = pathlib.Path(__file__).parent.parent / "pipelines" / "keys.json"
path.write_text(json.dumps(keys, indent=2) + "\n")
