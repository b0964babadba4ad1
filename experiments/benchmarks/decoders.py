"""Decoders, Retort beside PyTorch: encoding texts, and training with LoRA; the same texts, alternating processes.

  python decoders.py [--gemma DIR] [--work encoding|lora] [--retort retort] [--rounds 3] [--threads 2]
                     [--programs retort-bf16 torch-bf16 retort-fp32 torch-fp32] [--texts 200] [--steps 6]

Without `--gemma` the model is one of Qwen3-0.6B's shape (28 layers, 1,024 wide, 16 heads on 8, 3,072 inner) with random
weights and a byte-level vocabulary trained on the repository's own data: `embedding` says how large it is, Qwen's has
151,669 pieces. With it, Gemma 3 270M from DIR, whose embedding is its own. Vectors are the last token's for the first,
the mean for the second. `encoding`: `retort vectors` beside sentence-transformers' `encode`, texts of 10 to 300 words;
the first vectors must agree (cosine above 0.999, in bf16 0.98). `lora`: rank 16 on attention and feed-forward maps,
batches of 4 queries with 3 candidates, texts of 10 to 120 words, InfoNCE, AdamW, beside transformers and PEFT in four
passes over texts of like length; tokens/s from the end of the second step to the end of the last. Memory is the
process's peak. Prints a JSON line per run, then medians and ratios of each precision. Needs torch, sentence-transformers,
peft, tokenizers.
"""
import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from side_by_side import (
    alternate, medians, peak_mb, peak_of_children_mb, print_result, rate_of_steps, run_pipeline)

ROOT = Path(__file__).resolve().parents[2]
QUERIES, K, RANK, TEMPERATURE, WARM_UP = 4, 3, 16, 0.05, 2
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PROGRAMS = ["retort-bf16", "torch-bf16", "retort-fp32", "torch-fp32"]


def words() -> list[str]:
    """Words of the repository's own texts."""
    texts = [(ROOT / file).read_text() for file in ("pipelines/data/grammar_book.json", "README.md", "Sources/README.md")]
    return sorted({word for text in texts for word in text.split() if word.isalpha()})


def make_texts(count: int, longest: int, seed: int) -> list[str]:
    draw, known = random.Random(seed), words()
    return [" ".join(draw.choices(known, k=draw.randint(10, longest))) for _ in range(count)]


def make_model(options: argparse.Namespace, folder: Path) -> None:
    """A sentence-transformers folder: made by a process of its own, whose memory does not count."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

    source, width = options.gemma, 640
    if not source:
        source, width, end = folder / "plain", 1024, "<|endoftext|>"
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.train_from_iterator(words(), trainers.BpeTrainer(
            vocab_size=8000, special_tokens=[end], show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, 0)])
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=end, model_max_length=512).save_pretrained(source)
        torch.manual_seed(options.seed)
        Qwen3Model(Qwen3Config(
            vocab_size=tokenizer.get_vocab_size(), hidden_size=width, num_hidden_layers=28, num_attention_heads=16,
            num_key_value_heads=8, head_dim=128, intermediate_size=3072, max_position_embeddings=4096,
            tie_word_embeddings=True)).to(torch.bfloat16).save_pretrained(source)
    SentenceTransformer(modules=[
        Transformer(str(source), max_seq_length=512, model_kwargs={"dtype": torch.bfloat16}),
        Pooling(width, "mean" if options.gemma else "lasttoken"), Normalize()], device="cpu").save(str(folder), create_model_card=False)


def count_tokens(options: argparse.Namespace, texts: list[str]) -> int:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    tokenizer.enable_truncation(512)
    return sum(len(encoded.ids) for encoded in tokenizer.encode_batch(texts))


def embedding(options: argparse.Namespace) -> str:
    config = json.loads((options.model / "config.json").read_text())
    return f"{config['vocab_size']} x {config['hidden_size']}"


def encode_with_retort(options: argparse.Namespace, texts: list[str], precision: str, summary: bool = True):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        file.flush()
        command = [options.retort, "vectors", str(options.model), file.name, "--threads", str(options.threads), "--max-len", "512",
                   "--precision", precision] + (["--summary"] if summary else [])
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout) if summary else [json.loads(line) for line in done.stdout.splitlines()]


def encode(options: argparse.Namespace, program: str, precision: str) -> dict:
    texts = make_texts(options.texts, 300, options.seed)
    if program == "retort":
        seconds, peak = encode_with_retort(options, texts, precision)["embedSeconds"], peak_of_children_mb()
    else:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(options.threads)
        model = SentenceTransformer(str(options.model), device="cpu", model_kwargs={
            "dtype": torch.bfloat16 if precision == "bf16" else torch.float32})
        model.encode(texts[:1])
        begin = time.perf_counter()
        vectors = torch.tensor(model.encode(texts, batch_size=32)).float()
        seconds, peak = time.perf_counter() - begin, peak_mb()
        least = (torch.tensor(encode_with_retort(options, texts[:8], precision, summary=False)) * vectors[:8]).sum(-1).min().item()
        if least < (0.98 if precision == "bf16" else 0.999):
            sys.exit(f"vectors differ: least cosine {least}")
    return {"tokens_per_second": round(count_tokens(options, texts) / seconds, 1), "seconds": round(seconds, 2), "peak_rss_mb": peak}


def make_groups(options: argparse.Namespace) -> list[list[str]]:
    """A query and K passages each."""
    texts = make_texts(options.steps * QUERIES * (1 + K), 120, options.seed)
    return [texts[at:at + 1 + K] for at in range(0, len(texts), 1 + K)]


def train_with_retort(options: argparse.Namespace, precision: str) -> dict:
    groups = make_groups(options)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        with open(folder / "scores.jsonl", "w") as file:
            for number, (query, *passages) in enumerate(groups):
                candidates = [{"id": f"p{number}-{place}", "text": text, "label": int(place == 0),
                               "source": "random" if place else "positive", "logit": 4.0 - 8 * (place > 0),
                               "score": 0.018 if place else 0.982} for place, text in enumerate(passages)]
                file.write(json.dumps({"id": f"q{number}", "query": query, "candidates": candidates}) + "\n")
        _, events = run_pipeline(options.retort, {"student": {
            "uses": "distill", "precision": precision, "in": {"base": str(options.model.resolve()), "scores": "scores.jsonl"}, "with": {
                "K": K, "epochs": 1, "batch_size": QUERIES, "lr": 1e-4, "contrastive": "infonce", "contrastive_weight": 1,
                "negative_penalty_weight": 0, "keep": "last", "max_len": 512,
                "lora": {"r": RANK, "alpha": 2 * RANK, "dropout": 0.0, "target_modules": TARGETS}}}}, folder, options.threads, options.seed)
    tokens = count_tokens(options, [text for group in groups for text in group])
    return {"tokens_per_second": round(rate_of_steps(events, tokens, options.steps), 1), "peak_rss_mb": peak_of_children_mb()}


def train_with_torch(options: argparse.Namespace, precision: str) -> dict:
    import torch
    import torch.nn.functional as F
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model, padding_side="right")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = get_peft_model(AutoModel.from_pretrained(options.model, dtype=dtype), LoraConfig(
        r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules=TARGETS)).train()
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-4)
    groups = make_groups(options)

    def embed(texts: list[str]) -> torch.Tensor:
        # Four passes over texts of like length leave little padding in any.
        order, size, parts = sorted(range(len(texts)), key=lambda at: len(texts[at])), max(1, len(texts) // 4), []
        for at in range(0, len(texts), size):
            batch = tokenizer([texts[i] for i in order[at:at + size]], padding=True, truncation=True, max_length=512, return_tensors="pt")
            hidden, mask = model(**batch).last_hidden_state.float(), batch["attention_mask"]
            last = hidden[torch.arange(len(hidden)), mask.sum(1) - 1]
            parts.append((hidden * mask[:, :, None]).sum(1) / mask.sum(1)[:, None] if options.gemma else last)
        vectors = torch.empty(len(texts), parts[0].shape[1])
        vectors[torch.tensor(order)] = torch.cat(parts)
        return F.normalize(vectors, dim=-1)

    for step in range(options.steps):
        batch = groups[step * QUERIES:(step + 1) * QUERIES]
        vectors = embed([group[0] for group in batch] + [text for group in batch for text in group[1:]])
        loss = F.cross_entropy(vectors[:QUERIES] @ vectors[QUERIES:].T / TEMPERATURE, torch.arange(QUERIES) * K)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        if step == WARM_UP - 1:
            began = time.perf_counter()
    seconds = time.perf_counter() - began
    tokens = count_tokens(options, [text for group in groups[WARM_UP * QUERIES:] for text in group])
    return {"tokens_per_second": round(tokens / seconds, 1), "peak_rss_mb": peak_mb()}


def run(options: argparse.Namespace) -> dict:
    program, precision = options.run.split("-")
    work = {"encoding": lambda: encode(options, program, precision),
            "lora": lambda: (train_with_retort if program == "retort" else train_with_torch)(options, precision)}
    return {"work": options.work, "embedding": embedding(options)} | work[options.work]()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gemma", type=Path)
    parser.add_argument("--work", choices=["encoding", "lora"], default="encoding")
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    parser.add_argument("--model", type=Path, help="a folder made before, kept")
    parser.add_argument("--run", choices=[*PROGRAMS, "model"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps <= WARM_UP:
        parser.error(f"--steps must be more than {WARM_UP}")
    if options.run == "model":
        return make_model(options, options.model)
    if options.run:
        return print_result(lambda: run(options))
    with contextlib.ExitStack() as stack:
        if not options.model:
            options.model = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "model"
            sys.argv += ["--model", str(options.model)]
        if not options.model.exists():
            subprocess.run([sys.executable, *sys.argv, "--run", "model"], check=True)
        median = medians(alternate(options.programs, options.rounds))
    ratios = {precision: {key: round(median[f"retort-{precision}"][key] / median[f"torch-{precision}"][key], 3)
                          for key in ("tokens_per_second", "peak_rss_mb")}
              for precision in ("bf16", "fp32") if {f"retort-{precision}", f"torch-{precision}"} <= median.keys()}
    print(json.dumps({"medians": median, "ratios_to_torch": ratios}, indent=2))


main()
