"""Makes Tests/Fixtures/perplexity: tiny random language models with tokenizers, an adapter of PEFT, questions, passages, and the
perplexities that transformers and peft give.

Needs torch, transformers, tokenizers, peft. Computes in double, stores floats. golden.json: by model, `baseline` [questions] and
`context` [questions][passages], exp of the mean negative ln p of the answer's tokens after the prompt's.
"""

import json
import shutil
from copy import deepcopy
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen3Config,
    Qwen3ForCausalLM)

out = Path(__file__).parent.parent / "perplexity"
shutil.rmtree(out, ignore_errors=True)
out.mkdir()
torch.set_default_dtype(torch.float64)

passages = [
    {"id": "p1", "title": "제1항", "text": "조사는 그 앞말에 붙여 쓴다."},
    {"id": "p2", "title": "제2항", "text": "의존 명사는 띄어 쓴다. 보기: 아는 것이 힘이다, 나도 할 수 있다."},
    {"id": "p3", "title": "제3항", "text": "단위를 나타내는 명사는 띄어 쓴다."},
    {"id": "p4", "title": "제4항", "text": "두 말을 이어 주는 말은 띄어 쓴다; a note with Latin words."},
]
questions = [
    {"id": "q1", "question": "'꽃 처럼'을 고치시오.", "answer": "꽃처럼이 옳다. 조사이다.", "rule": "p1"},
    {"id": "q2", "question": "'할수 있다'를 고치시오.", "answer": "할 수 있다가 옳다. 의존 명사는 띄어 쓴다.", "rule": "p2"},
    {"id": "q3", "question": "'연필 한자루'를 고치시오.", "answer": "연필 한 자루가 옳다.", "rule": "제3항"},
]
texts = [passage["text"] for passage in passages] + [q["question"] + q["answer"] for q in questions]
(out / "passages.jsonl").write_text("".join(json.dumps(p, ensure_ascii=False) + "\n" for p in passages))
(out / "questions.jsonl").write_text("".join(json.dumps(q, ensure_ascii=False) + "\n" for q in questions))


def tokenizer(has_bos):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<pad>", "<eos>", "<bos>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    if has_bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>")


def perplexity(model, tokenizer, prompt, answer):
    prompt, answer = tokenizer(prompt).input_ids, tokenizer(answer, add_special_tokens=False).input_ids
    ids = torch.tensor([prompt + answer])
    with torch.no_grad():
        scores = model.eval()(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
    return scores[len(prompt) - 1:].mean().neg().exp().item()


def perplexities(model, tokenizer):
    return {
        "baseline": [perplexity(model, tokenizer, f"{q['question']}\n", q["answer"]) for q in questions],
        "context": [
            [perplexity(model, tokenizer, f"{p['text']}\n\n{q['question']}\n", q["answer"]) for p in passages]
            for q in questions],
    }


sizes = dict(
    vocab_size=320, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24, head_dim=8,
    max_position_embeddings=512, pad_token_id=0, bos_token_id=2, eos_token_id=1)
families = {
    "llama": LlamaForCausalLM(LlamaConfig(**sizes, num_key_value_heads=2, tie_word_embeddings=False)),
    "qwen3": Qwen3ForCausalLM(Qwen3Config(**sizes, num_key_value_heads=2, tie_word_embeddings=True)),
    "gemma3": Gemma3ForCausalLM(Gemma3TextConfig(
        **sizes, num_key_value_heads=1, sliding_window=16, layer_types=["sliding_attention", "full_attention"])),
}
golden = {}
for name, model in families.items():
    torch.manual_seed(5)
    for key, parameter in model.named_parameters():
        centre = 1 if key.endswith("norm.weight") and name != "gemma3" else 0
        parameter.data = (centre + 0.3 * torch.randn_like(parameter)).float().double()
    tokens = tokenizer(has_bos=name != "qwen3")
    deepcopy(model).float().save_pretrained(out / name)
    tokens.save_pretrained(out / name)
    golden[name] = perplexities(model, tokens)

adapted = get_peft_model(families["qwen3"], LoraConfig(
    r=2, lora_alpha=4, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM"))
for key, parameter in adapted.named_parameters():
    if "lora_" in key:
        parameter.data = (0.3 * torch.randn_like(parameter)).float().double()
golden["adapter"] = perplexities(adapted, tokenizer(has_bos=False))
adapted.save_pretrained(out / "adapter")
for path in (out / "adapter").glob("*"):
    if path.name == "adapter_config.json":
        config = json.loads(path.read_text())
        config["base_model_name_or_path"] = "org/base"
        config["target_modules"].sort()
        path.write_text(json.dumps(config, indent=2) + "\n")
    elif path.name != "adapter_model.safetensors":
        path.unlink()
(out / "golden.json").write_text(json.dumps(golden) + "\n")
