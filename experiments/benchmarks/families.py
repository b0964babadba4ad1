"""Holds folders that Retort writes, of every architecture, against the programs that open them.

  python families.py TOKENIZERS [--retort retort] [--only FAMILY ...]

TOKENIZERS is a folder of folders with tokenizer files, named by family: bert, roberta, xlm-roberta, mpnet, and, where they
are not to take bert's, llama, qwen2, qwen3, gemma3_text, modernbert. Makes a small
random model of each, trains it with adapters and whole, opens what was written in SentenceTransformer, CrossEncoder,
AutoModel and PeftModel, trains the student's adapter further in PEFT, and reads that over its base again. Prints one line a
check with the largest difference; exits with 1 if any is over its limit. Needs sentence-transformers, peft.
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from peft import PeftModel
from safetensors import safe_open
from safetensors.numpy import load_file
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from transformers import AutoConfig, AutoModel, AutoTokenizer

from checks import check, failures, run, write_lines

ROTARY = {
    "llama": dict(num_key_value_heads=2, rope_parameters=dict(
        rope_type="llama3", rope_theta=1e4, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=64)),
    "qwen2": dict(num_key_value_heads=1),
    "qwen3": dict(num_key_value_heads=2, head_dim=16),
    "gemma3_text": dict(
        num_key_value_heads=1, head_dim=16, sliding_window=4, query_pre_attn_scalar=16,
        layer_types=["sliding_attention", "full_attention"]),
    "modernbert": dict(local_attention=6),
}
TEXTS = [f"{a} {b} of the {c}" for a in ("old", "red", "slow") for b in ("road", "song", "fish") for c in ("sea", "town")]


def check_near(name: str, ours, theirs) -> None:
    check(name, float(np.abs(np.asarray(ours) - np.asarray(theirs)).max()), 1e-5)


def make(family: str, tokenizers: Path, folder: Path) -> str:
    """A small random student: mean of the states, for BERT through a Dense layer, for RoBERTa beside the maximum, less the
    prompt; of decoders the last token's."""
    torch.manual_seed(1)
    files = tokenizers / family
    tokenizer = AutoTokenizer.from_pretrained(files if files.exists() else tokenizers / "bert")
    rotary = ROTARY.get(family, {}) | ({"pad_token_id": tokenizer.pad_token_id} if family in ROTARY else {})
    config = AutoConfig.for_model(
        family, vocab_size=len(tokenizer), hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=96, max_position_embeddings=130, initializer_range=0.2,
        **({"type_vocab_size": 1} if "roberta" in family else {}), **rotary)
    AutoModel.from_config(config).save_pretrained(folder / "plain")
    tokenizer.save_pretrained(folder / "plain")
    pooling = "lasttoken" if family in ROTARY and family != "modernbert" else "mean"
    modules, prompts = [Transformer(str(folder / "plain")), Pooling(48, pooling)], {}
    if family == "bert":
        modules.append(Dense(48, 24))
    if family == "roberta":
        modules[1] = Pooling(48, ["mean", "max"], include_prompt=False)
        prompts = {"prompts": {"document": "song of "}, "default_prompt_name": "document"}
    SentenceTransformer(modules=[*modules, Normalize()], device="cpu", **prompts).save(
        str(folder / "base"), create_model_card=False)
    return str(folder / "base")


def family(name: str, tokenizers: Path, retort: str, folder: Path) -> None:
    base = make(name, tokenizers, folder)
    write_lines(folder / "texts.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(TEXTS)])
    pairs = [(text, TEXTS[5 * i % len(TEXTS)]) for i, text in enumerate(TEXTS)]
    write_lines(folder / "pairs.jsonl", [
        {"id": str(i), "query": a, "candidates": [{"id": "p", "text": b, "label": 1, "source": "positive"}]}
        for i, (a, b) in enumerate(pairs)])
    write_lines(folder / "groups.jsonl", [
        {"id": str(i), "query": f"{a} {i}", "positives": [{"id": f"p{i}", "text": f"{b} {i}"}],
         "negatives": [{"id": f"n{i}", "text": f"{a} {-i}"}]} for i, (a, b) in enumerate(pairs)])
    whole = {"epochs": 2, "batch_size": 8, "lr": 1e-3, "max_len": 64}
    lora = {**whole, "lr": 1e-2, "lora": {"r": 4, "alpha": 8}}
    student = {"uses": "distill", "in": {"base": base, "scores": "scored.scores"}}
    stages = {
        "teacher": {"uses": "teacher", "in": {"base": str(folder / "plain"), "train": "groups.jsonl"}, "with": lora},
        "mined": {"uses": "mine", "in": {"groups": "groups.jsonl"}, "with": {"num_negatives": 4}},
        "scored": {"uses": "score", "in": {"teacher": "teacher.model", "candidates": "mined.candidates"}},
        "judged": {"uses": "score", "in": {"teacher": "teacher.model", "candidates": "pairs.jsonl"}},
        "lora": {**student, "with": {**lora, "K": 4}}, "whole": {**student, "with": {**whole, "K": 4}},
        "half": {**student, "with": {**lora, "K": 4, "dtype": "bfloat16"}},
    }
    for trained in ["lora", "whole", "half"]:
        stages[f"embed-{trained}"] = {"uses": "embed", "in": {"model": f"{trained}.student", "texts": "texts.jsonl"}}
    out = run(retort, folder, "families", stages)

    def vectors(stage: str) -> np.ndarray:
        return load_file(out[stage]["embeddings"] / "embeddings.safetensors")["embeddings"]

    for trained in ["lora", "whole"]:
        check_near(f"{name}: student, {trained}, in SentenceTransformer", vectors(f"embed-{trained}"),
              SentenceTransformer(str(out[trained]["student"]), device="cpu").encode(TEXTS))
    half = out["half"]["student"]
    with safe_open(half / "model.safetensors", "np") as file:
        assert {file.get_slice(key).get_dtype() for key in file.keys()} == {"BF16"}
    opened = SentenceTransformer(str(half), device="cpu", model_kwargs={"dtype": torch.float32})
    if name == "gemma3_text":  # in the checkpoint's type the factor of embeddings is rounded, too
        factor = opened[0].model.embed_tokens.embed_scale
        factor.copy_(factor.bfloat16())
    check_near(f"{name}: student in bfloat16, computed in float32", vectors("embed-half"), opened.float().encode(TEXTS))
    SentenceTransformer(str(half), device="cpu").encode(TEXTS)  # in its own type
    logits = [line["candidates"][0]["logit"] for line in map(json.loads, open(out["judged"]["scores"]))]
    check_near(f"{name}: teacher, adapters merged, in CrossEncoder", logits,
          CrossEncoder(str(out["teacher"]["model"]), device="cpu").predict(pairs, activation_fn=torch.nn.Identity()))

    # The adapter over its base is the student; trained further in PEFT it comes back.
    tokens = AutoTokenizer.from_pretrained(folder / "plain")(TEXTS, padding=True, return_tensors="pt")
    real = tokens["attention_mask"].bool()
    adapted = PeftModel.from_pretrained(
        AutoModel.from_pretrained(base), out["lora"]["student"] / "adapter", is_trainable=True).eval()
    with torch.no_grad():
        merged = AutoModel.from_pretrained(out["lora"]["student"])
        check_near(f"{name}: base and adapter in PEFT against the student in AutoModel",
              adapted(**tokens).last_hidden_state[real], merged(**tokens).last_hidden_state[real])
    optimizer = torch.optim.AdamW(adapted.parameters(), lr=1e-2)
    for _ in range(5):
        optimizer.zero_grad()
        (adapted(**tokens).last_hidden_state[real].mean(0) - 1).square().sum().backward()
        optimizer.step()
    adapted.save_pretrained(folder / "further")
    stage = {"uses": "embed", "in": {"model": str(folder / "further"), "base": base, "texts": "texts.jsonl"}}
    out |= run(retort, folder, "further", {"further": stage})
    mixed = SentenceTransformer(base, device="cpu")
    mixed[0].model = adapted.eval()
    check_near(f"{name}: the adapter that PEFT trained further, over its base", vectors("further"), mixed.encode(TEXTS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizers", type=Path)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--only", nargs="*", default=["bert", "roberta", "xlm-roberta", "mpnet", *ROTARY])
    options = parser.parse_args()
    for name in options.only:
        with tempfile.TemporaryDirectory() as scratch:
            family(name, options.tokenizers.resolve(), options.retort, Path(scratch))
    sys.exit(1 if failures else 0)


main()
