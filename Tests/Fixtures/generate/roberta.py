"""Makes Tests/Fixtures/architectures: tiny random BERT, RoBERTa, XLM-RoBERTa and MPNet models with outputs and gradients.

Needs torch, transformers, peft, safetensors. Computes in double, stores floats. Each folder is a model for
classification as `save_pretrained` writes it, with golden.safetensors beside: ids, types, lengths, states (of all tokens),
logits, inner/ids and inner/logits (padding amid
a sequence), KIND/seed, KIND/TUNING/gradient/NAME, KIND/lora/weight/NAME, KIND/lora/output with KIND encoder (the mean of a
sequence's states) or cross-encoder, TUNING full or lora; the loss is sum(output * KIND/seed).
"""

import json
import shutil
from copy import deepcopy
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import (
    BertConfig, BertForSequenceClassification, MPNetConfig, MPNetForSequenceClassification, RobertaConfig, RobertaForSequenceClassification, XLMRobertaConfig, XLMRobertaForSequenceClassification,
    XLMRobertaModel)
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

out = Path(__file__).parent.parent / "architectures"
shutil.rmtree(out, ignore_errors=True)
torch.set_default_dtype(torch.float64)
sizes = dict(
    vocab_size=24, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
    hidden_dropout_prob=0, attention_probs_dropout_prob=0, num_labels=1)
models = {
    "xlm-roberta": (XLMRobertaForSequenceClassification, XLMRobertaConfig(
        **sizes, max_position_embeddings=14, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5)),
    "roberta-two-types": (RobertaForSequenceClassification, RobertaConfig(
        **sizes | dict(num_attention_heads=4), max_position_embeddings=17, type_vocab_size=2, pad_token_id=4)),
    "roberta-padding-0": (RobertaForSequenceClassification, RobertaConfig(
        **sizes | dict(num_hidden_layers=1), max_position_embeddings=13, type_vocab_size=1, pad_token_id=0,
        hidden_act="gelu_new", tie_word_embeddings=False)),
    "mpnet": (MPNetForSequenceClassification, MPNetConfig(**sizes, max_position_embeddings=38)),
    "mpnet-four-heads": (MPNetForSequenceClassification, MPNetConfig(
        **sizes | dict(num_attention_heads=4, num_hidden_layers=1, intermediate_size=16), max_position_embeddings=38,
        layer_norm_eps=1e-5)),
    "bert-three-types": (BertForSequenceClassification, BertConfig(
        **sizes | dict(num_attention_heads=1), max_position_embeddings=12, type_vocab_size=3, pad_token_id=0,
        hidden_act="gelu_pytorch_tanh")),
}


def teacher(config, inputs, folder):
    """The distillation program's: a pooler that is not used, adapters, a linear map of the first token's last state."""
    adapted = get_peft_model(XLMRobertaModel(config), LoraConfig(
        r=2, lora_alpha=6, target_modules=["query", "key", "value", "dense"], task_type="FEATURE_EXTRACTION"))
    model = torch.nn.ModuleDict({"base_model": adapted, "classifier": torch.nn.Linear(config.hidden_size, 1)})
    for parameter in model.parameters():
        parameter.data = (0.3 * torch.randn_like(parameter)).float().double()
    folder.mkdir(parents=True)
    torch.save(deepcopy(model).float().state_dict(), folder / "best_model.pt")
    settings = {"use_lora": True, "lora_r": 2, "lora_alpha": 6, "lora_dropout": 0.1}
    (folder / "lora_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    return model["classifier"](adapted.eval()(**inputs).last_hidden_state[:, 0])


def made(name, build, config):
    torch.manual_seed(7)
    golden = {}
    is_mpnet = name.startswith("mpnet")
    lengths = [36, 1, 9, 20, 3] if is_mpnet else [5, 1, 9, 12, 3]

    def keep(name, tensor):
        golden[name] = tensor.detach().float().contiguous()

    # None is padding, whose row gets no gradient in torch.
    ids = torch.randint(config.pad_token_id + 1, config.vocab_size, (sum(lengths),))
    types = torch.randint(0, getattr(config, "type_vocab_size", 1), (sum(lengths),))
    keep("ids", ids), keep("types", types), keep("lengths", torch.tensor(lengths))

    def padded(flat, value=0):
        return torch.nn.utils.rnn.pad_sequence(flat.split(lengths), batch_first=True, padding_value=value)

    inputs = dict(
        input_ids=padded(ids, config.pad_token_id), token_type_ids=padded(types),
        attention_mask=padded(torch.ones(sum(lengths))))
    if is_mpnet:
        del inputs["token_type_ids"]
        # Of distances -300 to 300.
        keep("buckets", MPNetEncoder.relative_position_bucket(torch.arange(-300, 301)).double())
    mask = inputs["attention_mask"][:, :, None]

    def randomise(model):
        """Weights large enough that every nonlinearity matters, and rounded to floats, as the file keeps them."""
        for name, parameter in model.named_parameters():
            centre = 1 if name.endswith("LayerNorm.weight") else 0
            parameter.data = (centre + 0.3 * torch.randn_like(parameter)).float().double()

    def mean(model):
        return (model(**inputs).last_hidden_state * mask).sum(1) / mask.sum(1)

    def plain(name):
        for part in (".default", ".modules_to_save", ".base_layer"):
            name = name.replace(part, "")
        return name.removeprefix("base_model.model.")

    def gradients(kind, tuning, model, output):
        model.zero_grad()
        (output * golden[f"{kind}/seed"].double()).sum().backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None and parameter.requires_grad:
                keep(f"{kind}/{tuning}/gradient/{plain(name)}", parameter.grad)

    def with_adapters(kind, model, task, output):
        adapted = get_peft_model(model, LoraConfig(
            r=3, lora_alpha=5, target_modules=r".*encoder\.layer.*\.(query|key|value|dense|q|k|v|o)", task_type=task))
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.data = 0.3 * torch.randn_like(parameter)
            if "lora_" in name:
                parameter.data = parameter.data.float().double()
                keep(f"{kind}/lora/weight/{plain(name)}", parameter.data)
        result = output(adapted.eval())
        keep(f"{kind}/lora/output", result)
        gradients(kind, "lora", adapted, result)

    cross = build(config).eval()
    randomise(cross)
    encoder = cross.base_model
    folder = out / name
    deepcopy(cross).float().save_pretrained(folder)
    keep("encoder/seed", torch.randn(len(lengths), config.hidden_size))
    keep("cross-encoder/seed", torch.randn(len(lengths), 1))
    keep("states", torch.cat([row[:n] for row, n in zip(encoder(**inputs).last_hidden_state, lengths)]))
    keep("logits", cross(**inputs).logits)
    # As a text has it that spells out the padding's name.
    inner = torch.tensor([5, config.pad_token_id, 6, 7])
    keep("inner/ids", inner)
    keep("inner/logits", cross(input_ids=inner[None], attention_mask=torch.ones(1, 4)).logits)
    gradients("encoder", "full", encoder, mean(encoder))
    gradients("cross-encoder", "full", cross, cross(**inputs).logits)
    with_adapters("encoder", deepcopy(encoder), None, mean)
    with_adapters("cross-encoder", cross, "SEQ_CLS", lambda model: model(**inputs).logits)
    if name == "xlm-roberta":
        keep("teacher/logits", teacher(config, inputs, out / "xlm-roberta-teacher"))
    save_file(golden, folder / "golden.safetensors")


for name, (build, config) in models.items():
    made(name, build, config)
