"""Makes Tests/Fixtures/causal: tiny random decoders that predict tokens, with what transformers makes of them.

Needs torch, transformers, safetensors. Computes in double, stores floats. Each folder is a model as `save_pretrained` writes
it, in two shards, with golden.safetensors beside: ids, lengths, scores (ln p of each token's successor, 0 of a sequence's
last), seed and gradient/NAME; the loss is sum(scores * seed). `adapter` is PEFT's of such a model, adapter.safetensors what the
golden file has with it, gradients of the factors.
"""

import shutil
from copy import deepcopy
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, Qwen3Config, Qwen3ForCausalLM

out = Path(__file__).parent.parent / "causal"
shutil.rmtree(out, ignore_errors=True)
torch.set_default_dtype(torch.float64)
sizes = dict(
    vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24, head_dim=8,
    max_position_embeddings=64, pad_token_id=0)
models = {
    "qwen3": Qwen3ForCausalLM(Qwen3Config(**sizes, num_key_value_heads=2, tie_word_embeddings=False)),
    "gemma3": Gemma3ForCausalLM(Gemma3TextConfig(
        **sizes, num_key_value_heads=1, sliding_window=5, layer_types=["sliding_attention", "full_attention"])),
}
lengths = [20, 1, 7, 12]


def scores_of(model, ids):
    scores = []
    for row in ids.split(lengths):
        logits = model(input_ids=row[None]).logits[0].log_softmax(-1)
        scores += [*logits[:-1].gather(1, row[1:, None])[:, 0], torch.zeros(())]
    return torch.stack(scores)


for name, model in models.items():
    torch.manual_seed(3)
    for key, parameter in model.named_parameters():
        centre = 1 if key.endswith("norm.weight") and name != "gemma3" else 0
        parameter.data = (centre + 0.3 * torch.randn_like(parameter)).float().double()
    deepcopy(model).float().save_pretrained(out / name, max_shard_size="8KB")
    ids = torch.randint(1, 40, (sum(lengths),))
    scores = scores_of(model.eval(), ids)
    seed = torch.randn(len(scores)).float().double() * (scores != 0)
    (scores * seed).sum().backward()
    golden = {"ids": ids, "lengths": torch.tensor(lengths), "scores": scores, "seed": seed}
    golden |= {f"gradient/{key.removeprefix('model.')}": value.grad for key, value in model.named_parameters()}
    save_file({key: value.detach().float().contiguous() for key, value in golden.items()},
              out / name / "golden.safetensors")
    adapted = get_peft_model(model, LoraConfig(
        r=3, lora_alpha=6, lora_dropout=0.0, task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj", "gate_proj", "down_proj"])).eval()
    torch.manual_seed(4)
    factors = {key: value for key, value in adapted.named_parameters() if value.requires_grad}
    for value in factors.values():
        value.data = (0.3 * torch.randn_like(value)).float().double()
    scores = scores_of(adapted, ids)
    (scores * seed).sum().backward()
    golden = {"scores": scores} | {
        "gradient/" + key.removeprefix("base_model.model.").replace(".default", ""): value.grad for key, value in factors.items()}
    save_file({key: value.detach().float().contiguous() for key, value in golden.items()}, out / name / "adapter.safetensors")
    adapted.float().save_pretrained(out / name / "adapter")
    (out / name / "adapter/README.md").unlink(missing_ok=True)
