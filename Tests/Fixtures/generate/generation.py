"""Makes Tests/Fixtures/generation: tiny random decoders of every family with a tokenizer of bytes, and what transformers'
`generate` says with them.

Needs torch, transformers, tokenizers. fp32, greedy, 64 tokens. Each folder is a model as `save_pretrained` writes it; golden.json
has prompts (ids), tokens (what is generated, the end token included), the same of the first five with a repetition penalty of 1.3,
and logits of the second prompt's tenth token. Seeds are taken whose likeliest tokens are far enough ahead that no rounding
changes them.
"""

import json
import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM,
    Qwen3Config, Qwen3ForCausalLM)

out = Path(__file__).parent.parent / "generation"
shutil.rmtree(out, ignore_errors=True)
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
vocabulary = {"<pad>": 0, "<end>": 1, "<begin>": 2} | {byte: index + 3 for index, byte in enumerate(alphabet)}
tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>", bos_token="<begin>")
fast.chat_template = (
    "{% for message in messages %}{{ '<begin>' + message['role'] + '\n' + message['content'] + '<end>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<begin>assistant\n' }}{% endif %}")
size = len(vocabulary)
sizes = dict(
    vocab_size=size, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24, head_dim=8,
    max_position_embeddings=160, pad_token_id=0, bos_token_id=2, eos_token_id=1)
built = {
    "llama": LlamaForCausalLM(LlamaConfig(**sizes, num_key_value_heads=2, tie_word_embeddings=False)),
    "qwen2": Qwen2ForCausalLM(Qwen2Config(**{k: v for k, v in sizes.items() if k != "head_dim"}, num_key_value_heads=2)),
    "qwen3": Qwen3ForCausalLM(Qwen3Config(**sizes, num_key_value_heads=2, tie_word_embeddings=False)),
    "gemma3": Gemma3ForCausalLM(Gemma3TextConfig(
        **sizes, num_key_value_heads=1, sliding_window=9, layer_types=["sliding_attention", "full_attention"])),
}


def said(model, prompt, penalty):
    return model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), do_sample=False, max_new_tokens=64,
        repetition_penalty=penalty, output_logits=True, return_dict_in_generate=True)


def margin(answer):
    """How far the likeliest token is ahead, as a share of the largest logit, where that is least."""
    best = [(logits[0].topk(2).values, logits.abs().max()) for logits in answer.logits]
    return min(float((top[0] - top[1]) / most) for top, most in best)


for name, model in built.items():
    for seed in range(5, 1000):
        torch.manual_seed(seed)
        for key, parameter in model.named_parameters():
            centre = 1 if key.endswith("norm.weight") and name != "gemma3" else 0
            parameter.data = centre + 0.5 * torch.randn_like(parameter)
        model.eval()
        prompts = [torch.randint(3, size, (length,)).tolist() for length in (1, 5, 31, 32, 33, 70)]
        answers = [said(model, prompt, 1.0) for prompt in prompts]
        if min(map(margin, answers)) > 2e-4:
            break
    model.save_pretrained(out / name)
    fast.save_pretrained(out / name)
    golden = {
        "prompts": prompts,
        "tokens": [answer.sequences[0, len(prompt):].tolist() for prompt, answer in zip(prompts, answers)],
        "penalised": [said(model, prompt, 1.3).sequences[0, len(prompt):].tolist() for prompt in prompts[:5]],
        "logits": answers[1].logits[9][0].tolist(),
    }
    (out / name / "golden.json").write_text(json.dumps(golden) + "\n")
    print(name, seed, [len(tokens) for tokens in golden["tokens"]])
