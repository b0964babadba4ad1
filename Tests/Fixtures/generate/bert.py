"""Makes Tests/Fixtures/engine/bert.safetensors: a tiny BERT's outputs and gradients by transformers and peft.

Needs torch, transformers, peft, safetensors. Computes in double, stores floats. Names:
weight/NAME, KIND/output[/POOLING], KIND/TUNING/gradient/NAME, KIND/lora/weight/NAME, KIND/lora/output
with KIND encoder or cross-encoder, TUNING full or lora; the loss is sum(output * KIND/seed).
"""

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification, BertModel

torch.manual_seed(7)
torch.set_default_dtype(torch.float64)
lengths = [5, 1, 12, 17, 3]
config = BertConfig(
    vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
    max_position_embeddings=20, hidden_dropout_prob=0, attention_probs_dropout_prob=0, num_labels=1)
golden = {}


def keep(name, tensor):
    golden[name] = tensor.detach().to(torch.int32 if not tensor.is_floating_point() else torch.float32).contiguous()


# Not 0: padding, whose row gets no gradient in torch and which a packed batch does not have.
ids = torch.randint(1, config.vocab_size, (sum(lengths),))
types = torch.randint(0, 2, (sum(lengths),))
keep("ids", ids)
keep("types", types)
keep("lengths", torch.tensor(lengths))
padded = dict(
    input_ids=torch.nn.utils.rnn.pad_sequence(ids.split(lengths), batch_first=True),
    token_type_ids=torch.nn.utils.rnn.pad_sequence(types.split(lengths), batch_first=True),
    attention_mask=torch.nn.utils.rnn.pad_sequence([torch.ones(n) for n in lengths], batch_first=True))
mask = padded["attention_mask"][:, :, None]


def randomise(model):
    """Weights large enough that every nonlinearity matters, and rounded to floats, as the file keeps them."""
    for name, parameter in model.named_parameters():
        spread = 0.3 if "LayerNorm" not in name else 0.2
        centre = 1 if name.endswith("LayerNorm.weight") else 0
        parameter.data = (centre + spread * torch.randn_like(parameter)).float().double()


def pooled(model):
    states = model(**padded).last_hidden_state
    last = states[torch.arange(len(lengths)), torch.tensor(lengths) - 1]
    return {"cls": states[:, 0], "mean": (states * mask).sum(1) / mask.sum(1), "last_token": last}


def plain(name):
    return name.removeprefix("base_model.model.").replace(".default", "").replace(".modules_to_save", "").replace(
        ".base_layer", "")


def gradients(kind, tuning, model, output):
    model.zero_grad()
    (output * golden[f"{kind}/seed"].double()).sum().backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and parameter.requires_grad:
            keep(f"{kind}/{tuning}/gradient/{plain(name)}", parameter.grad)


def with_adapters(kind, model, task, output):
    adapted = get_peft_model(model, LoraConfig(r=3, lora_alpha=5, target_modules="all-linear", task_type=task))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            parameter.data = (0.3 * torch.randn_like(parameter)).float().double()
        if "lora_" in name:
            parameter.data = parameter.data.float().double()
            keep(f"{kind}/lora/weight/{plain(name)}", parameter.data)
    result = output(adapted)
    keep(f"{kind}/lora/output", result)
    gradients(kind, "lora", adapted, result)


cross = BertForSequenceClassification(config)
encoder = cross.bert
randomise(cross)
for name, parameter in cross.named_parameters():
    keep(f"weight/{name}", parameter)
keep("encoder/seed", torch.randn(len(lengths), config.hidden_size).float())
keep("cross-encoder/seed", torch.randn(len(lengths), 1).float())

bare = BertModel(config, add_pooling_layer=False)
bare.load_state_dict({n: p for n, p in encoder.state_dict().items() if not n.startswith("pooler")})
for pooling, vectors in pooled(bare).items():
    keep(f"encoder/output/{pooling}", vectors)
gradients("encoder", "full", bare, pooled(bare)["mean"])
keep("cross-encoder/output", cross(**padded).logits)
gradients("cross-encoder", "full", cross, cross(**padded).logits)
with_adapters("encoder", bare, None, lambda model: pooled(model)["mean"])
with_adapters("cross-encoder", cross, "SEQ_CLS", lambda model: model(**padded).logits)

out = Path(__file__).parent.parent / "engine"
out.mkdir(parents=True, exist_ok=True)
save_file(golden, out / "bert.safetensors")
