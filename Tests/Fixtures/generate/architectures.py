"""Makes Tests/Fixtures/architectures: tiny random models of every architecture, with outputs and gradients.

  python architectures.py [NAME ...]

Makes those named, or all. Needs torch, transformers, peft, safetensors. Computes in double, stores floats. Each folder is a model for
classification as `save_pretrained` writes it, with golden.safetensors beside: ids, types, lengths, states (of all tokens),
logits, inner/ids and inner/logits (padding amid
a sequence, of encoders that count positions so), KIND/seed, KIND/TUNING/gradient/NAME, KIND/lora/weight/NAME, KIND/lora/output with KIND encoder (the mean of a
sequence's states) or cross-encoder, TUNING full or lora; the loss is sum(output * KIND/seed).
"""

import json
import shutil
import sys
from copy import deepcopy
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import (
    BertConfig, BertForSequenceClassification, Gemma3TextConfig, Gemma3TextForSequenceClassification, LlamaConfig,
    LlamaForSequenceClassification, ModernBertConfig, ModernBertForSequenceClassification, MPNetConfig,
    MPNetForSequenceClassification, Qwen2Config, Qwen2ForSequenceClassification, Qwen3Config,
    Qwen3ForSequenceClassification, RobertaConfig, RobertaForSequenceClassification, XLMRobertaConfig,
    XLMRobertaForSequenceClassification, XLMRobertaModel)
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

out = Path(__file__).parent.parent / "architectures"
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
sizes = dict(
    vocab_size=24, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24,
    max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2, num_labels=1)
# Windows are shorter than the texts; heads of keys are as many as those of queries, fewer, and one.
models |= {
    "llama": (LlamaForSequenceClassification, LlamaConfig(**sizes, num_key_value_heads=2, rms_norm_eps=1e-5)),
    "llama-biases": (LlamaForSequenceClassification, LlamaConfig(
        **sizes, num_key_value_heads=1, head_dim=6, attention_bias=True, mlp_bias=True, rope_parameters=dict(
            rope_type="llama3", rope_theta=100.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=32))),
    "llama-linear": (LlamaForSequenceClassification, LlamaConfig(
        **sizes, tie_word_embeddings=True, rope_parameters=dict(rope_type="linear", rope_theta=500.0, factor=2.5))),
    "qwen2": (Qwen2ForSequenceClassification, Qwen2Config(
        **sizes, num_key_value_heads=2, use_sliding_window=True, sliding_window=4, max_window_layers=1)),
    "qwen3": (Qwen3ForSequenceClassification, Qwen3Config(
        **sizes, num_key_value_heads=2, head_dim=8, rope_parameters=dict(rope_type="default", rope_theta=1e6))),
    "qwen3-biases": (Qwen3ForSequenceClassification, Qwen3Config(
        **sizes, num_key_value_heads=4, head_dim=10, attention_bias=True, use_sliding_window=True, sliding_window=3,
        layer_types=["sliding_attention", "full_attention"])),
    "gemma3": (Gemma3TextForSequenceClassification, Gemma3TextConfig(
        **sizes | dict(hidden_size=20), num_key_value_heads=1, head_dim=8, sliding_window=5, query_pre_attn_scalar=12,
        layer_types=["sliding_attention", "full_attention"])),
    "gemma3-two-ways": (Gemma3TextForSequenceClassification, Gemma3TextConfig(
        **sizes, num_key_value_heads=2, head_dim=6, sliding_window=6, use_bidirectional_attention=True,
        layer_types=["full_attention", "sliding_attention"], rope_parameters=dict(
            full_attention=dict(rope_type="linear", rope_theta=900.0, factor=8.0),
            sliding_attention=dict(rope_type="default", rope_theta=50.0)))),
    "modernbert": (ModernBertForSequenceClassification, ModernBertConfig(
        **sizes | dict(num_hidden_layers=3), local_attention=6, global_attn_every_n_layers=2)),
    "modernbert-biases": (ModernBertForSequenceClassification, ModernBertConfig(
        **sizes | dict(num_attention_heads=2), local_attention=8, norm_bias=True, attention_bias=True, mlp_bias=True,
        classifier_bias=True, classifier_pooling="mean", hidden_activation="gelu_pytorch_tanh")),
}
# Of the layers that get adapters.
adapted = (
    r".*encoder\.layer.*\.(query|key|value|dense|q|k|v|o)|.*layers\.\d+\..*\.(\w+_proj|Wqkv|Wo|Wi)|head\.dense")


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
    has_rotations = hasattr(config, "rope_parameters")
    is_mpnet = name.startswith("mpnet")
    lengths = [36, 1, 9, 20, 3] if is_mpnet or has_rotations else [5, 1, 9, 12, 3]

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
    if is_mpnet or has_rotations:
        del inputs["token_type_ids"]
    if is_mpnet:
        # Of distances -300 to 300.
        keep("buckets", MPNetEncoder.relative_position_bucket(torch.arange(-300, 301)).double())
    mask = inputs["attention_mask"][:, :, None]

    def randomise(model):
        """Weights large enough that every nonlinearity matters, and rounded to floats, as the file keeps them."""
        for name, parameter in model.named_parameters():
            is_norm = name.lower().endswith("norm.weight") and not config.model_type.startswith("gemma")
            centre = 1 if is_norm else 0
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
        peft = get_peft_model(model, LoraConfig(
            r=3, lora_alpha=5, target_modules=adapted, task_type=task))
        for name, parameter in peft.named_parameters():
            if "lora_B" in name:
                parameter.data = 0.3 * torch.randn_like(parameter)
            if "lora_" in name:
                parameter.data = parameter.data.float().double()
                keep(f"{kind}/lora/weight/{plain(name)}", parameter.data)
        result = output(peft.eval())
        keep(f"{kind}/lora/output", result)
        gradients(kind, "lora", peft, result)

    cross = build(config).eval()
    randomise(cross)
    encoder = cross.base_model
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    deepcopy(cross).float().save_pretrained(folder)
    keep("encoder/seed", torch.randn(len(lengths), config.hidden_size))
    keep("cross-encoder/seed", torch.randn(len(lengths), 1))
    keep("states", torch.cat([row[:n] for row, n in zip(encoder(**inputs).last_hidden_state, lengths)]))
    keep("logits", cross(**inputs).logits)
    if not has_rotations:
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


for name in sys.argv[1:] or models:
    made(name, *models[name])
