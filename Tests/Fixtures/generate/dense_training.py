"""Makes Tests/Fixtures/folders/dense-training.safetensors: gradients through the Dense modules of folders/dense, laid over
Tests/Fixtures/pytorch/base, as torch has them.

Needs torch, sentence-transformers, peft; run dense.py before. Run from anywhere. Computes in double, stores floats: ids,
lengths, seed [texts, width], TUNING/output before normalising, TUNING/gradient/NAME of all Dense weights and of layer 0's
query, lora/weight/NAME, with TUNING full or lora; the loss is sum(output * seed).
"""

import shutil
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer

fixtures = Path(__file__).parent.parent
torch.manual_seed(11)
texts = ["a b c", "d", "e f g h i j k", "l m"]
golden = {}


def keep(name, tensor):
    golden[name] = tensor.detach().float().contiguous()


def own(name):
    """Retort's name of a weight."""
    place, rest = name.split(".", 1)
    if place in ("2", "3"):
        return f"{place}_Dense.{rest}"
    return rest.removeprefix("model.").removeprefix("auto_model.").replace(".default", "").replace(".base_layer", "")


def is_kept(name):
    return "Dense" in own(name) or "layer.0.attention.self.query" in name


with tempfile.TemporaryDirectory() as scratch:
    shutil.copytree(fixtures / "pytorch" / "base", scratch, dirs_exist_ok=True)
    shutil.copytree(fixtures / "folders" / "dense", scratch, dirs_exist_ok=True)
    for tuning in ["full", "lora"]:
        model = SentenceTransformer(scratch, device="cpu")
        if tuning == "lora":
            model.add_adapter(LoraConfig(r=2, lora_alpha=6, target_modules=["query"]))
        model = model.double().eval()
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.data = 0.3 * torch.randn_like(parameter)
            if "lora_" in name:
                parameter.data = parameter.data.float().double()
                keep(f"lora/weight/{own(name)}", parameter.data)
        inputs = model.preprocess(texts) if hasattr(model, "preprocess") else model.tokenize(texts)
        lengths = inputs["attention_mask"].sum(1)
        keep("lengths", lengths)
        keep("ids", torch.cat([row[:n] for row, n in zip(inputs["input_ids"], lengths)]))
        for module in list(model)[:-1]:
            inputs = module(inputs)
        output = inputs["sentence_embedding"]
        if "seed" not in golden:
            keep("seed", torch.randn_like(output))
        keep(f"{tuning}/output", output)
        (output * golden["seed"].double()).sum().backward()
        for name, parameter in model.named_parameters():
            if is_kept(name) and parameter.requires_grad:
                keep(f"{tuning}/gradient/{own(name)}", parameter.grad)
save_file(golden, fixtures / "folders" / "dense-training.safetensors")
