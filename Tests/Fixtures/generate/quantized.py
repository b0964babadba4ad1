"""Makes Tests/Fixtures/quantized: matrices in 4 and 8 bits, and tiny models, as bitsandbytes has them on a CPU.

  python quantized.py

Needs torch, transformers, bitsandbytes, accelerate, safetensors. matrices.safetensors has of each matrix NAME (its type, numbers per block and
format are in its name) NAME/original and NAME/decoded, codes and absmax, and of `double` ones nested, nested_absmax, offset. The decoded
numbers are levels[code] * absmax in fp32, as products in fp32 have them: bitsandbytes' own kernel for AVX-512 decodes rows that blocks do not divide
otherwise than its kernels elsewhere; where they do divide them the two are compared here. Of `int8` ones the numbers per block are the columns. Each folder is a model as
`save_pretrained` writes it with golden.safetensors beside: ids, lengths, and the states that transformers makes of them.
"""

import json
import shutil
from pathlib import Path

import bitsandbytes.functional as bnb
import torch
from bitsandbytes.nn import Linear4bit, Linear8bitLt
from safetensors.torch import save_file
from transformers import AutoModel, BertConfig, BertModel, BitsAndBytesConfig, Qwen3Config, Qwen3Model

out = Path(__file__).parent.parent / "quantized"
torch.manual_seed(0)
torch.set_num_threads(1)


def matrices():
    tensors = {}
    drawn = lambda *shape: torch.randn(*shape) * 0.05
    outliers = drawn(4, 128)
    outliers[1, 7], outliers[3, 100] = 900.0, -3e-6
    many = drawn(80, 128) * torch.rand(80, 1)
    cases = {
        "random": (drawn(8, 64), 64, "nf4", torch.float32), "zeros": (torch.zeros(4, 64), 64, "nf4", torch.float32),
        "outliers": (outliers, 64, "nf4", torch.float32), "odd": (drawn(7, 37), 64, "nf4", torch.float32),
        "odd-halves": (drawn(5, 33), 32, "nf4", torch.bfloat16), "fp16": (drawn(4, 256), 128, "nf4", torch.float16),
        "bf16": (drawn(6, 96), 32, "nf4", torch.bfloat16), "tiny": (drawn(2, 64) * 1e-38, 64, "nf4", torch.float32),
        "double": (many, 32, "nf4", torch.float32), "double-bf16": (drawn(4, 128), 64, "nf4", torch.bfloat16),
        "fp4": (drawn(4, 128), 64, "fp4", torch.float32), "large": (drawn(1, 8192), 4096, "nf4", torch.bfloat16),
    }
    for name, (matrix, block, kind, dtype) in cases.items():
        matrix = matrix.to(dtype)
        codes, state = bnb.quantize_4bit(matrix, blocksize=block, quant_type=kind, compress_statistics="double" in name)
        absmax = state.absmax
        key = f"{name}/{kind}/{block}"
        tensors |= {f"{key}/original": matrix, f"{key}/codes": codes.flatten()}
        if state.nested:
            tensors |= {f"{key}/nested": absmax, f"{key}/nested_absmax": state.state2.absmax, f"{key}/map": state.state2.code}
            tensors[f"{key}/offset"] = state.offset.reshape(1)
            absmax = bnb.dequantize_blockwise(absmax, state.state2) + state.offset
        tensors[f"{key}/absmax"] = absmax
        numbers = torch.stack([codes.flatten() >> 4, codes.flatten() & 15], 1).flatten().long()[: matrix.numel()]
        spread = absmax.repeat_interleave(block)[: matrix.numel()]
        decoded = (state.code[numbers] * spread).reshape(matrix.shape)
        if matrix.shape[1] % block == 0:
            assert torch.equal(decoded.to(dtype), bnb.dequantize_4bit(codes, state)), name
        tensors[f"{key}/decoded"] = decoded
    generator = torch.Generator().manual_seed(1)
    rows = lambda *shape: torch.randn(*shape, generator=generator) * 0.05
    spread = rows(6, 40)
    spread[1], spread[2, 7], spread[4] = 0, 900.0, spread[4] * 1e-5
    for name, matrix in {"rows": rows(8, 64), "spread": spread, "odd-rows": rows(5, 37), "rows-bf16": rows(4, 96).bfloat16(),
                         "rows-fp16": rows(4, 33).half()}.items():
        codes, most, _ = bnb.int8_vectorwise_quant(matrix.half())
        key = f"{name}/int8/{matrix.shape[1]}"
        decoded = codes.float().mul_(most.unsqueeze(1).mul(1.0 / 127.0))  # as bitsandbytes' training has it
        tensors |= {f"{key}/original": matrix, f"{key}/codes": codes.view(torch.uint8).flatten(), f"{key}/absmax": most, f"{key}/decoded": decoded}
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, out / "matrices.safetensors")


def folder(name, config, **quantization):
    path = out / name
    shutil.rmtree(path, ignore_errors=True)
    source = out / "source"
    model = AutoModel.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(source)
    model = AutoModel.from_pretrained(
        source, device_map="cpu", dtype=torch.float32, quantization_config=BitsAndBytesConfig(**quantization))
    model.save_pretrained(path)
    shutil.rmtree(source)
    model = AutoModel.from_pretrained(path, device_map="cpu").eval()
    for module in list(model.modules()):  # in fp32: products of its own with processors that have bf16 round all they meet
        for name, layer in list(module.named_children()):
            if isinstance(layer, (Linear4bit, Linear8bitLt)):
                linear = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
                if isinstance(layer, Linear4bit):
                    linear.weight.data = bnb.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
                else:
                    linear.weight.data = layer.weight.data.float() * layer.weight.SCB.unsqueeze(1).mul(1.0 / 127.0)
                linear.bias = layer.bias
                setattr(module, name, linear)
    lengths = [3, 7, 5]
    ids = torch.randint(1, config.vocab_size, (sum(lengths),))
    states = []
    with torch.no_grad():
        for text in ids.split(lengths):
            states.append(model(text[None]).last_hidden_state[0])
    save_file(dict(ids=ids.float(), lengths=torch.tensor(lengths).float(), states=torch.cat(states)), path / "golden.safetensors")


matrices()
small = dict(vocab_size=24, hidden_size=64, num_hidden_layers=1, intermediate_size=128)
qwen3 = Qwen3Config(**small, num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=64)
folder("qwen3", qwen3, load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.float32)
folder("qwen3-fp4", qwen3, load_in_4bit=True, bnb_4bit_quant_type="fp4", bnb_4bit_compute_dtype=torch.float32, bnb_4bit_quant_storage=torch.bfloat16)
bert = BertConfig(**small, num_attention_heads=4, max_position_embeddings=16, type_vocab_size=2)
folder("bert", bert, load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32, llm_int8_skip_modules=["pooler"])
torch.manual_seed(2)
folder("qwen3-int8", qwen3, load_in_8bit=True)
