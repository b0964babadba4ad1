"""Makes Tests/Fixtures/pytorch: checkpoints as PyTorch writes them, with what its models compute from them, and pickles
that would run something.

Needs torch, transformers, sentence-transformers, peft. Run from anywhere.
"""

import json
import pickle
import shutil
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

out = Path(__file__).parent.parent / "pytorch"
shutil.rmtree(out, ignore_errors=True)
out.mkdir(parents=True)
torch.manual_seed(2)

words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrst"]
config = BertConfig(
    vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
    max_position_embeddings=16, initializer_range=0.2)
pairs = [("a b c", "d e f g"), ("h i", "h i j k l m n"), ("t s r", "a"), ("q", "p o n m l k j i h g f e d c b a")]


class Teacher(torch.nn.Module):
    """The head of the distillation program: a linear map of the first token's last hidden state."""

    def __init__(self, encoder):
        super().__init__()
        self.base_model = encoder
        self.classifier = torch.nn.Linear(encoder.config.hidden_size, 1)

    def forward(self, inputs):
        return self.classifier(self.base_model(**inputs).last_hidden_state[:, 0]).squeeze(-1)


def base(folder):
    """A plain encoder's folder."""
    with tempfile.TemporaryDirectory() as scratch:
        vocabulary = Path(scratch) / "vocab.txt"
        vocabulary.write_text("\n".join(words) + "\n")
        BertTokenizerFast(str(vocabulary), model_max_length=16).save_pretrained(folder)
    encoder = BertModel(config)
    encoder.save_pretrained(folder)
    return encoder.eval()


encoder = base(out / "base")
tokenizer = AutoTokenizer.from_pretrained(out / "base")
inputs = tokenizer([p[0] for p in pairs], [p[1] for p in pairs], padding=True, truncation=True, max_length=16, return_tensors="pt")


def teacher(name, model, settings):
    folder = out / name
    folder.mkdir()
    torch.save(model.state_dict(), folder / "best_model.pt")
    if settings:
        (folder / "lora_config.json").write_text(json.dumps(settings, indent=2))
    with torch.no_grad():
        return model.eval()(inputs).tolist()


def fresh():
    return BertModel.from_pretrained(out / "base")


def adapted(r, alpha):
    model = get_peft_model(fresh(), LoraConfig(
        r=r, lora_alpha=alpha, lora_dropout=0.1, target_modules=["query", "key", "value", "dense"], bias="none",
        task_type="FEATURE_EXTRACTION"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)  # as after training
    return Teacher(model)


with torch.no_grad():
    plain = Teacher(fresh())
logits = {
    "teacher-lora": teacher(
        "teacher-lora", adapted(4, 12), {"use_lora": True, "lora_r": 4, "lora_alpha": 12, "lora_dropout": 0.1}),
    "teacher-plain": teacher("teacher-plain", plain, {"use_lora": False, "lora_r": 4, "lora_alpha": 8, "lora_dropout": 0.1}),
    "teacher-default": teacher("teacher-default", adapted(32, 64), None),
}

# Two labels: the second logit is the score. Three: none is.
for labels in (2, 3):
    model = BertForSequenceClassification.from_pretrained(out / "base", num_labels=labels).eval()
    name = f"labels-{labels}"
    model.save_pretrained(out / name)
    if labels == 2:
        tokenizer.save_pretrained(out / name)
        with torch.no_grad():
            logits[name] = model(**inputs).logits[:, 1].tolist()
(out / "logits.json").write_text(json.dumps({"pairs": pairs, "logits": logits}, indent=1) + "\n")

# Older checkpoints: one file, and shards with an index. Halves and doubles of the same weights.
state = encoder.state_dict()
for name in ("bin", "bin-sharded", "f64"):
    (out / name).mkdir()
    shutil.copy(out / "base" / "config.json", out / name)
torch.save(state, out / "bin" / "pytorch_model.bin")
names = list(state)
index = {}
for number, part in enumerate((names[:20], names[20:]), 1):
    shard = f"pytorch_model-{number:05}-of-00002.bin"
    torch.save({n: state[n] for n in part}, out / "bin-sharded" / shard)
    index |= {n: shard for n in part}
(out / "bin-sharded" / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}, indent=1))
from safetensors.torch import save_file  # noqa: E402

save_file({n: t.double() for n, t in state.items()}, out / "f64" / "model.safetensors", {"format": "pt"})

# Every kind of tensor, beside its values as floats.
grid = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
tensors = OrderedDict(
    f32=grid.clone(), f64=torch.tensor([[1 / 3, -2.5], [1e-30, 0.0]], dtype=torch.float64),
    f16=torch.tensor([0.1, -65504.0, 6e-8]).half(), bf16=torch.tensor([0.1, 3e38, -1e-40]).bfloat16(),
    scalar=torch.tensor(7.5), empty=torch.zeros(0, 4), transposed=grid[1].t(), columns=grid[:, :, 1:3],
    permuted=grid.permute(2, 0, 1), every_other=torch.arange(10.0)[1::3],
    parameter=torch.nn.Parameter(torch.tensor([1.0, 2.0])))
torch.save(tensors, out / "kinds.pt")
(out / "kinds.json").write_text(json.dumps(
    {n: {"shape": list(t.shape), "values": t.detach().float().reshape(-1).tolist()} for n, t in tensors.items()}, indent=1))
inner = torch.nn.ModuleDict({"query": torch.nn.ModuleDict({"base_layer": torch.nn.Linear(3, 2), "lora_A": torch.nn.ModuleDict(
    {"default": torch.nn.Linear(3, 1, bias=False)})}), "norm": torch.nn.LayerNorm(2)})
torch.save(torch.nn.ModuleDict({"base_model": inner, "classifier": torch.nn.Linear(2, 1)}).state_dict(), out / "state.pt")
torch.save({"epoch": 3, "loss": 0.25, "best": None, "flags": [True, False], "model_state_dict": {"a": torch.ones(2)}}, out / "wrapped.pt")
torch.save({"a": torch.ones(2)}, out / "protocol4.pt", pickle_protocol=4)
torch.save({"base_model.a": torch.ones(2)}, out / "headless.pt")
torch.save({"a": torch.ones(2), "ids": torch.arange(3)}, out / "ids.pt")
torch.save({"a": torch.ones(1).expand(100000)}, out / "expanded.pt")
torch.save({"a": torch.ones(2)}, out / "legacy.pt", _use_new_zipfile_serialization=False)

# Archives whose pickle would run something, each by another way.
evil = out / "evil"
evil.mkdir()
mark = "touch RETORT_WAS_HERE"


def archive(name, data, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(evil / f"{name}.pt", "w", method) as file:
        file.writestr(zipfile.ZipInfo("x/data.pkl"), data, compress_type=method)
        file.writestr(zipfile.ZipInfo("x/version"), b"3\n")


def text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


class Reduce:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


import builtins  # noqa: E402
import os  # noqa: E402
import subprocess  # noqa: E402

for protocol in (2, 4):
    archive(f"reduce-system-{protocol}", pickle.dumps({"a": Reduce(os.system, mark)}, protocol))
archive("reduce-eval", pickle.dumps({"a": Reduce(builtins.eval, f"__import__('os').system({mark!r})")}, 2))
archive("reduce-popen", pickle.dumps({"a": Reduce(subprocess.Popen, mark)}, 2))
archive("inst", b"\x80\x02(" + text(mark) + b"ios\nsystem\n.")
archive("obj", b"\x80\x02(cos\nsystem\n" + text(mark) + b"o.")
archive("newobj", b"\x80\x02csubprocess\nPopen\n" + text(mark) + b"\x85\x81.")
archive("newobj-ordered", b"\x80\x02ccollections\nOrderedDict\n)\x81.")
archive("build", b"\x80\x02ccollections\nOrderedDict\n)Rctypes\nSimpleNamespace\nb.")
archive("stack-global", b"\x80\x04" + text("os") + text("system") + b"\x93" + text(mark) + b"\x85R.")
archive("dotted", b"\x80\x04" + text("torch") + text("os.system") + b"\x93" + text(mark) + b"\x85R.")
archive("extension", b"\x80\x02\x82\x01.")
archive("persistent", b"\x80\x02P0\n.")
archive("rebuild-with-system", b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\ncos\nsystem\n\x85R.")
archive("getattr", b"\x80\x02cbuiltins\ngetattr\n.")
archive("compressed", pickle.dumps({}, 2) * 40, zipfile.ZIP_DEFLATED)

# Tensors that do not lie in their storage of two floats, and storages that are not what the archive has.
views = out / "views"
views.mkdir()


def number(value):
    return b"\x8a\x08" + value.to_bytes(8, "little", signed=True)


def view(name, offset=0, size=(2,), stride=(1,), count=2, key="0", kind="Float"):
    storage = b"(" + text("storage") + f"ctorch\n{kind}Storage\n".encode() + text(key) + text("cpu") + number(count) + b"tQ"
    shapes = b"".join(b"(" + b"".join(map(number, values)) + b"t" for values in (size, stride))
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + shapes + b"\x89)tR"
    with zipfile.ZipFile(views / f"{name}.pt", "w") as file:
        file.writestr(zipfile.ZipInfo("x/data.pkl"), b"\x80\x02}" + text("a") + call + b"s.")
        file.writestr(zipfile.ZipInfo("x/data/0"), torch.tensor([1.5, -2.0]).numpy().tobytes())


view("right")
view("reversed-bounds", offset=1, size=(1,))
view("offset-beyond", offset=1)
view("offset-negative", offset=-1)
view("size-beyond", size=(3,))
view("size-negative", size=(-2,))
view("stride-beyond", stride=(2,))
view("stride-negative", offset=1, stride=(-1,))
view("stride-huge", stride=(2**62,), size=(3,))
view("size-huge", size=(2**62, 4, 0), stride=(0, 0, 0))
view("ranks-differ", size=(1, 2))
view("repeats", size=(1000,), stride=(0,))
view("storage-larger", count=3)
view("storage-negative", count=-2)
view("storage-missing", key="1")
view("storage-outside", key="../../../etc/passwd")
view("storage-other-type", kind="Double")

# What tells TorchScript's archives, without the places of source files that real ones carry.
with zipfile.ZipFile(evil / "torchscript.pt", "w", zipfile.ZIP_DEFLATED) as file:
    file.writestr(zipfile.ZipInfo("x/data.pkl"), b"\x80\x02c__torch__.torch.nn.modules.linear\nLinear\n)\x81.")
    file.writestr(zipfile.ZipInfo("x/code/__torch__.py"), b"class Linear(Module):\n" * 9, zipfile.ZIP_DEFLATED)
    file.writestr(zipfile.ZipInfo("x/constants.pkl"), pickle.dumps((), 2))
module = torch.nn.Linear(1, 1)
torch.save(module, evil / "module.pt")
