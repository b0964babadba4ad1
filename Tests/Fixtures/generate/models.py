"""Makes Tests/Fixtures/models: small files and folders written by the programs that ours must agree with.

Needs torch, transformers, sentence-transformers, peft, safetensors. Run from anywhere.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

out = Path(__file__).parent.parent / "models"
shutil.rmtree(out, ignore_errors=True)
out.mkdir(parents=True)
torch.manual_seed(1)

# Floats only, to compare a writer's bytes.
save_file(
    {"b.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3), "a": torch.tensor([0.5]), "empty": torch.zeros(0, 4)},
    out / "floats.safetensors", {"format": "pt"})

# Halves of every class of numbers beside their values as floats, and types that are no floats.
halves = torch.tensor([0, 1, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0x7C00, 0x8001, 0xC000, 0xFC00], dtype=torch.int32)
f16 = halves.to(torch.uint16).view(torch.float16)
bf16 = torch.tensor([0, 1, 0x3F80, 0x4049, 0x7F7F, 0x7F80, 0x8001, 0xFF80], dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
save_file(
    {"f16": f16, "f16.float": f16.float(), "bf16": bf16, "bf16.float": bf16.float(), "ids": torch.arange(4),
     "mask": torch.tensor([True])},
    out / "types.safetensors")

words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrst"]
config = BertConfig(
    vocab_size=len(words), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12,
    max_position_embeddings=16)


def clean(folder):
    """Removes what tells versions or places and is of no use to the tests."""
    for name in ["README.md", ".gitattributes"]:
        (folder / name).unlink(missing_ok=True)
    for path in folder.rglob("*.json"):
        values = json.loads(path.read_text())
        if isinstance(values, dict) and "base_model_name_or_path" in values:
            values["base_model_name_or_path"] = ""
            path.write_text(json.dumps(values, indent=2) + "\n")


with tempfile.TemporaryDirectory() as scratch:
    scratch = Path(scratch)
    (scratch / "vocab.txt").write_text("\n".join(words) + "\n")
    tokenizer = BertTokenizerFast(str(scratch / "vocab.txt"))
    BertModel(config).save_pretrained(scratch)
    tokenizer.save_pretrained(scratch)
    # The layout of today's sentence-transformers.
    transformer = Transformer(str(scratch), max_seq_length=12)
    model = SentenceTransformer(
        modules=[transformer, Pooling(8, "cls"), Normalize()], prompts={"query": "q: ", "document": "d: "},
        default_prompt_name="query")
    model.save(str(out / "sentence-transformer"), create_model_card=False)
clean(out / "sentence-transformer")

classifier = BertForSequenceClassification.from_pretrained(out / "sentence-transformer", num_labels=1)
classifier.save_pretrained(out / "classifier")
tokenizer.save_pretrained(out / "classifier")
clean(out / "classifier")

adapted = get_peft_model(
    classifier, LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", task_type="SEQ_CLS", modules_to_save=["classifier"]))
adapted.save_pretrained(out / "adapter")
clean(out / "adapter")

# Several shards and their index.
BertModel.from_pretrained(out / "sentence-transformer").save_pretrained(out / "sharded", max_shard_size="4KB")
