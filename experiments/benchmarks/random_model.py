"""Writes a model folder of Qwen3's shape with random weights in bf16, one shard a layer, holding one layer at a time.

  python random_model.py FOLDER [--shape 4B | 0.6B | tiny] [--tokenizer FOLDER]

The tokenizer's files are copied from a folder; its ids must be below the shape's vocabulary. 4B takes 8 GB of disk. Needs
torch, safetensors.
"""
import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

SHAPES = {  # layers, hidden, feed-forward, heads, heads of keys, width of a head, vocabulary
    "4B": (36, 2560, 9728, 32, 8, 128, 151665),
    "0.6B": (28, 1024, 3072, 16, 8, 128, 151669),
    "tiny": (2, 256, 512, 4, 2, 64, 30522),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="4B")
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--vocabulary", type=int, help="rows of the table; absent: the shape's")
    options = parser.parse_args()
    layers, hidden, inner, heads, keys, width, vocabulary = SHAPES[options.shape]
    vocabulary = options.vocabulary or vocabulary
    options.folder.mkdir(parents=True, exist_ok=True)
    config = dict(
        architectures=["Qwen3ForCausalLM"], model_type="qwen3", dtype="bfloat16", num_hidden_layers=layers,
        hidden_size=hidden, intermediate_size=inner, num_attention_heads=heads, num_key_value_heads=keys,
        head_dim=width, vocab_size=vocabulary, max_position_embeddings=40960, rms_norm_eps=1e-6, rope_theta=1000000,
        hidden_act="silu", attention_bias=False, tie_word_embeddings=True, initializer_range=0.02,
        bos_token_id=0, eos_token_id=0, pad_token_id=0)
    (options.folder / "config.json").write_text(json.dumps(config, indent=2))
    torch.manual_seed(1)
    index, size = {}, 0

    def drawn(*shape: int) -> torch.Tensor:
        return (torch.randn(shape, dtype=torch.float32) * 0.02).to(torch.bfloat16)

    def save(place: int, tensors: dict) -> None:
        nonlocal size
        name = f"model-{place + 1:05}-of-{layers + 1:05}.safetensors"
        save_file(tensors, options.folder / name, metadata={"format": "pt"})
        index.update({key: name for key in tensors})
        size += sum(tensor.numel() * 2 for tensor in tensors.values())

    one = lambda n: torch.ones(n, dtype=torch.bfloat16)
    save(0, {"embed_tokens.weight": drawn(vocabulary, hidden), "norm.weight": one(hidden)})
    for layer in range(layers):
        at = f"layers.{layer}"
        save(layer + 1, {
            f"{at}.self_attn.q_proj.weight": drawn(heads * width, hidden),
            f"{at}.self_attn.k_proj.weight": drawn(keys * width, hidden),
            f"{at}.self_attn.v_proj.weight": drawn(keys * width, hidden),
            f"{at}.self_attn.o_proj.weight": drawn(hidden, heads * width),
            f"{at}.self_attn.q_norm.weight": one(width), f"{at}.self_attn.k_norm.weight": one(width),
            f"{at}.mlp.gate_proj.weight": drawn(inner, hidden), f"{at}.mlp.up_proj.weight": drawn(inner, hidden),
            f"{at}.mlp.down_proj.weight": drawn(hidden, inner),
            f"{at}.input_layernorm.weight": one(hidden), f"{at}.post_attention_layernorm.weight": one(hidden)})
    (options.folder / "model.safetensors.index.json").write_text(
        json.dumps(dict(metadata=dict(total_size=size), weight_map=index), indent=2))
    for name in ["tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"]:
        if options.tokenizer and (options.tokenizer / name).exists():
            shutil.copy(options.tokenizer / name, options.folder / name)


if __name__ == "__main__":
    main()
