"""Decoding, Retort beside transformers; alternating processes.

  python generation.py MODEL [--work speed|greedy] [--retort retort] [--rounds 3] [--threads 2] [--tokens 64]
                       [--prompts 16] [--programs retort-fp32 torch-fp32 retort-bf16 torch-bf16]

The prompts are exam questions of the repository, as text or, with `--chat`, as a user's turn of the model's template. `speed`:
tokens/s of one batch of prompts, 16 unless said, greedy, `--tokens` new tokens each or up to the end token, without loading; and the
process's peak memory beside the weights' bytes in that type. `greedy`: how many prompts, 50 unless said, both answer with the same text, in
fp32; of those that they do not, where they part and by how much transformers prefers its token there. Prints JSON lines. Needs
torch, transformers.
"""
import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from side_by_side import alternate, medians, peak_mb, peak_of_children_mb, print_result, run_pipeline

ROOT = Path(__file__).resolve().parents[2]


def questions(count: int) -> list[str]:
    return [entry["question"] for entry in json.loads((ROOT / "pipelines/data/qa.json").read_text())[:count]]


def generate_with_retort(options: argparse.Namespace, precision: str, count: int) -> tuple[list[dict], float, int]:
    """Lines of the output, tokens a second, and the peak of memory."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "prompts.jsonl").write_text(
            "".join(json.dumps({"id": str(at), "prompt": text}) + "\n" for at, text in enumerate(questions(count))))
        stages = {"said": {
            "uses": "generate", "precision": precision, "in": {"model": str(options.model.resolve()), "prompts": "prompts.jsonl"},
            "with": {"temperature": 0, "max_new_tokens": options.tokens, "chat": options.chat}}}
        _, events = run_pipeline(options.retort, stages, folder, options.threads)
        rate = next(re.search(r"(\d+) tokens/s", event["message"]) for event in events
                    if event["event"] == "log" and "[generate] Prompts" in event.get("message", ""))
        out = folder / "out.jsonl"
        subprocess.run([options.retort, "export", "latest", "said", str(out), "--store", str(folder / "store")], check=True,
                       stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in out.read_text().splitlines()]
    return lines, float(rate[1]), peak_of_children_mb()


def load_torch(options: argparse.Namespace, precision: str):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(options.threads)
    tokenizer = AutoTokenizer.from_pretrained(options.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(
        options.model, dtype=torch.bfloat16 if precision == "bf16" else torch.float32).eval()
    return tokenizer, model


def inputs_of(options: argparse.Namespace, tokenizer, texts: list[str]):
    if options.chat:
        texts = [tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
                 for text in texts]
    return tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=not options.chat)


def speed(options: argparse.Namespace, program: str, precision: str) -> dict:
    if program == "retort":
        lines, rate, peak = generate_with_retort(options, precision, options.prompts or 16)
        return {"tokens_per_second": rate, "tokens": sum(line["tokens"] for line in lines), "peak_rss_mb": peak}
    import torch

    tokenizer, model = load_torch(options, precision)
    inputs = inputs_of(options, tokenizer, questions(options.prompts or 16))
    settings = dict(do_sample=False, pad_token_id=tokenizer.pad_token_id)
    with torch.inference_mode():
        model.generate(**inputs, max_new_tokens=2, **settings)
        begin = time.perf_counter()
        said = model.generate(**inputs, max_new_tokens=options.tokens, **settings)[:, inputs["input_ids"].shape[1]:]
        seconds = time.perf_counter() - begin
    # Padding behind the end token is not generated.
    tokens = int((said != tokenizer.pad_token_id).sum())
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    return {"tokens_per_second": round(tokens / seconds, 1), "tokens": tokens, "peak_rss_mb": peak_mb(),
            "weights_mb": weights >> 20}


def greedy(options: argparse.Namespace) -> dict:
    import torch

    count = options.prompts or 50
    lines, _, _ = generate_with_retort(options, "fp32", count)
    tokenizer, model = load_torch(options, "fp32")
    equal, parted = 0, []
    for text, line in zip(questions(count), lines):
        inputs = inputs_of(options, tokenizer, [text])
        with torch.inference_mode():
            said = model.generate(**inputs, max_new_tokens=options.tokens, do_sample=False, output_logits=True,
                                  return_dict_in_generate=True)
        tokens = said.sequences[0, inputs["input_ids"].shape[1]:].tolist()
        if tokenizer.decode(tokens, skip_special_tokens=True) == line["completion"] and len(tokens) == line["tokens"]:
            equal += 1
            continue
        place = next(at for at in range(len(tokens) + 1)
                     if at == len(tokens) or not line["completion"].startswith(
                         tokenizer.decode(tokens[:at + 1], skip_special_tokens=True).rstrip("\ufffd")))
        best = [float((logits[0].topk(2).values * torch.tensor([1.0, -1.0])).sum()) for logits in said.logits]
        parted.append({"prompt": line["id"], "at": place, "least_margin_up_to_there": round(min(best[:place + 1]), 6)})
    return {"equal": equal, "of": count, "parted": parted}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--work", choices=["speed", "greedy"], default="speed")
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--prompts", type=int)
    parser.add_argument("--chat", action="store_true")
    parser.add_argument("--programs", nargs="+", default=["retort-fp32", "torch-fp32"])
    parser.add_argument("--run")
    options = parser.parse_args()
    if options.work == "greedy":
        return print_result(lambda: greedy(options))
    if options.run:
        return print_result(lambda: speed(options, *options.run.split("-")))
    median = medians(alternate(options.programs, options.rounds))
    print(json.dumps({"medians": median, "ratios": {
        precision: round(median[f"retort-{precision}"]["tokens_per_second"] / median[f"torch-{precision}"]["tokens_per_second"], 2)
        for precision in ("fp32", "bf16") if {f"retort-{precision}", f"torch-{precision}"} <= median.keys()}}, indent=2))


if __name__ == "__main__":
    sys.exit(main())
