"""Makes Tests/Fixtures/adapters: LoRA adapters as PEFT and sentence-transformers save them, over Tests/Fixtures/models and
Tests/Fixtures/architectures, and what PEFT makes of them.

Needs torch, transformers, peft, sentence-transformers; run models.py and architectures.py before. Run from anywhere. Each folder
has golden.json beside: the base, whether it is a cross-encoder, ids of sequences, and logits or means of all hidden states.
"""

import json
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoModelForSequenceClassification

fixtures = Path(__file__).parent.parent
out = fixtures / "adapters"
shutil.rmtree(out, ignore_errors=True)
sequences = [[2, 5, 6, 7, 3], [2, 8, 3], [2, 9, 10, 11, 12, 5, 3]]
layers = "encoder.layer"


def randomise(model):
    torch.manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_" in name or "modules_to_save.default" in name or (parameter.requires_grad and "bias" in name):
            parameter.data += 0.2 * torch.randn_like(parameter)


def clean(folder, base, is_cross, values):
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = "org/base"
    # A set has no order.
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2) + "\n")
    golden = {"base": base, "is_cross": is_cross, "ids": sequences, "values": values.tolist()}
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")


def adapter(name, base, is_cross, dtype=torch.float32, **settings):
    kind = AutoModelForSequenceClassification if is_cross else AutoModel
    model = kind.from_pretrained(fixtures / base, dtype=torch.float32)
    if is_cross:
        settings["task_type"] = "SEQ_CLS"
    model = get_peft_model(model, LoraConfig(**settings)).eval()
    randomise(model)
    with torch.no_grad():
        outputs = [model(torch.tensor([ids])) for ids in sequences]
    values = torch.stack([(o.logits[0] if is_cross else o.last_hidden_state[0].mean(0)) for o in outputs])
    if dtype != torch.float32:
        model = model.to(dtype)
    model.save_pretrained(out / name)
    clean(out / name, base, is_cross, values)


adapter("patterns", "models/sentence-transformer", False, r=2, lora_alpha=4, target_modules=["query", "value", "output.dense"],
        rank_pattern={f"{layers}.0.attention.self.query": 3, "value": 1}, alpha_pattern={r"^encoder\.layer\.1\.output\.dense": 7, "self.query": 5})
adapter("rslora", "models/classifier", True, r=3, lora_alpha=6, use_rslora=True, target_modules="all-linear", bias="lora_only")
adapter("biases", "models/classifier", True, r=2, lora_alpha=2, target_modules=["key", "dense"], bias="all", fan_in_fan_out=True)
adapter("xlm-roberta", "architectures/xlm-roberta", True, r=2, lora_alpha=8, target_modules=r".*\.(query|key)", modules_to_save=["classifier"])
adapter("mpnet", "architectures/mpnet", True, r=2, lora_alpha=8, target_modules=["q", "o", "intermediate.dense"])

# As sentence-transformers keeps it: with its own files, those of the base left out.
base = "models/sentence-transformer"
model = SentenceTransformer(str(fixtures / base), device="cpu")
model.add_adapter(LoraConfig(r=2, lora_alpha=4, target_modules=["query", "dense"]))
randomise(model)
texts = ["a b c", "d", "e f g h i j"]
values = torch.tensor(model.encode(texts))
model.save(str(out / "sentence-transformer"), create_model_card=False)
clean(out / "sentence-transformer", base, False, values)
golden = json.loads((out / "sentence-transformer" / "golden.json").read_text()) | {"texts": texts}
golden["ids"] = [model.tokenizer(model.prompts["query"] + text)["input_ids"] for text in texts]
(out / "sentence-transformer" / "golden.json").write_text(json.dumps(golden) + "\n")
for path in (out / "sentence-transformer").rglob("*.json"):
    values = json.loads(path.read_text())
    if isinstance(values, dict) and values.pop("__version__", None):
        path.write_text(json.dumps(values, indent=2) + "\n")
