"""Makes Tests/Fixtures/token-score: tiny random decoders that judge pairs by a token's logit, as sentence-transformers
saves them, and what its CrossEncoder gives.

Needs torch, transformers, sentence-transformers 6 or newer, tokenizers. Two folders: `yes-no`, tied, the logit of a token
less another's; `yes`, with a map to the vocabulary and an instruction of its own, one token's logit. Beside each model
golden.json: pairs and their logits, the last of a pair that is cut.
"""

import json
import shutil
from pathlib import Path

import torch
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

out = Path(__file__).parent.parent / "token-score"
shutil.rmtree(out, ignore_errors=True)
TEMPLATE = """{%- set ns = namespace(instruct="Given a web search query, retrieve relevant passages that answer the query", query="", document="") -%}
{%- for message in messages -%}
{%- if message.role == "system" -%}{%- set ns.instruct = message.content -%}
{%- elif message.role == "query" -%}{%- set ns.query = message.content -%}
{%- else -%}{%- set ns.document = message.content -%}
{%- endif -%}
{%- endfor -%}
<|im_start|>system
Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>
<|im_start|>user
<Instruct>: {{ ns.instruct }}
<Query>: {{ ns.query }}
<Document>: {{ ns.document }}<|im_end|>
<|im_start|>assistant
<think>

</think>

"""
special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.train_from_iterator([TEMPLATE] * 3, trainers.BpeTrainer(
    vocab_size=420, special_tokens=special, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
tokenizer.add_tokens(["yes", "no", "<think>", "</think>"])
pairs = [("what is the sea", "water, and much of it"), ("바다", "물이 많은 곳"), ("", "x"), ("sea", "the old song of the sea " * 20)]
for name, length in [("yes-no", 150), ("yes", 160)]:
    files = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|im_end|>", model_max_length=length)
    files.chat_template = TEMPLATE
    torch.manual_seed(1)
    model = Qwen3ForCausalLM(Qwen3Config(
        vocab_size=len(files), hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        intermediate_size=24, max_position_embeddings=256, tie_word_embeddings=name == "yes-no", initializer_range=0.3))
    model.save_pretrained(out / name)
    files.save_pretrained(out / name)
    asked = {} if name == "yes-no" else {"prompts": {"rules": "Find the rule that decides the question"}, "default_prompt_name": "rules"}
    judge = CrossEncoder(str(out / name), device="cpu", **asked)
    if name == "yes":
        judge[1].false_token_id = None
    judge.save(str(out / name))
    (out / name / "README.md").unlink()
    logits = judge.predict(pairs, activation_fn=torch.nn.Identity())
    (out / name / "golden.json").write_text(json.dumps(
        {"pairs": pairs, "logits": [float(value) for value in logits]}, ensure_ascii=False) + "\n")
