"""The quick preset on a large encoder, stage by stage, beside PyTorch (+ PEFT): the distillation program's work.

  python preset.py TOKENIZER [--retort retort] [--samples 200] [--layers 24] [--width 1024] [--torch-steps 3] [--threads 2]

TOKENIZER is multilingual-e5-small's folder. A checkpoint of multilingual-e5-large-instruct's shape is filled at random in
fp16, the type of the real one: 24 layers, 1,024 wide, 250,002 pieces. experiments/quick.yaml runs on it with `samples` of
triplets made of the repository's: a teacher at 512 tokens with LoRA 16/32, scoring, and the student at 128 tokens, whole and with
LoRA. What is printed of each stage are seconds, the median of its steps' tokens/s, and texts and tokens; then what `plan`
expects of 2,000 samples, with the memory of each stage. PyTorch takes the same steps of teacher and student for a few batches of the same texts,
padded, autocast to bf16, after one that does not count. Needs torch, transformers, peft.
"""
import argparse
import csv
import json
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ["query", "key", "value", "dense"]


def make_checkpoint(options: argparse.Namespace, folder: Path) -> None:
    import torch
    from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    XLMRobertaModel(XLMRobertaConfig(
        vocab_size=250002, num_hidden_layers=options.layers, hidden_size=options.width,
        num_attention_heads=options.width // 64, intermediate_size=4 * options.width, max_position_embeddings=514,
        type_vocab_size=1)).to(torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def triplets(count: int) -> list[list[str]]:
    with open(ROOT / "pipelines/data/preprocessed/supervised_only/train.csv", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return [[f"query: (ko) {a}", f"passage: (ko) {p}", f"passage: (ko) {n}"] for a, p, n in rows[:count]]


def enlarge(data: Path) -> None:
    """A data version of some 2,200 triplets: the repository's own seven times, each time asked in other words."""
    shutil.copytree(data / "supervised_only", data / "large")
    with open(data / "supervised_only/train.csv", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    with open(data / "large/train.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for place, (anchor, positive, negative) in enumerate(rows):
            others = (row[1] for row in rows[place + 1:] + rows[:place] if row[1] not in (positive, negative))
            for number, other in enumerate([negative, *list(dict.fromkeys(others))[:6]]):
                writer.writerow([f"{anchor} ({number})" if number else anchor, positive, other])


def run_retort(options: argparse.Namespace, model: Path, folder: Path) -> None:
    project = folder / "project"
    for part in ("pipelines", "experiments"):
        shutil.copytree(ROOT / part, project / part)
    subprocess.run(["git", "init", "-q", project], check=True)  # a root of its own, into which it publishes
    enlarge(project / "pipelines/data/preprocessed")
    settings = {"params.teacher": model, "params.student": model, "params.max_samples": options.samples,
                "params.data_version": "large",
                "defaults.precision": "auto", "defaults.threads": options.threads}
    common = [item for key, value in settings.items() for item in ("--set", f"{key}={value}")]
    variants = {"whole": [], "lora": ["--set", "stages.student.with.lora={r: 16, alpha: 32, dropout: 0.1, target_modules: [query, key, value, dense]}"]}

    def call(*arguments: str) -> str:
        ended = subprocess.run([options.retort, *arguments], text=True, cwd=project, stdout=subprocess.PIPE)
        return ended.stdout if ended.returncode == 0 else sys.exit(ended.stdout)

    for name, more in variants.items():
        call("run", "experiments/quick.yaml", *common, *more)
        for stage in json.loads(call("show", "latest", "--json"))["stages"]:
            if stage["state"] != "ran" or stage["name"] not in ("teacher", "scored", "student", "student-test"):
                continue
            events = (project / ".retort/work" / stage["key"] / "events.jsonl")
            said = events.read_text().replace(",", "") if events.exists() else ""
            rates = [int(rate) for rate in re.findall(r"(\d+) tokens/s", said)]
            tokens = re.findall(r"(\d+) texts, (\d+) tokens", Path(stage["log"]).read_text())
            print(json.dumps({
                "student" if stage["name"] == "student" else "stage": name if stage["name"] == "student" else stage["name"],
                "seconds": round(stage["seconds"], 1), "tokens_per_second": statistics.median(rates[1:] or rates) if rates else None, "texts": tokens}), flush=True)
    print(call("plan", "experiments/quick.yaml", *common, "--set", "params.max_samples=2000"), flush=True)


def run_torch(options: argparse.Namespace, model: Path) -> None:
    import torch
    import torch.nn.functional as F
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(options.threads)
    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = triplets(200)

    def steps(network, name: str, batch, loss) -> None:
        optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=2e-5)
        rates = []
        for step in range(options.torch_steps + 1):
            texts, extra = batch(step)
            start = time.perf_counter()
            inputs = tokenizer(texts, padding=True, truncation=True, max_length=extra, return_tensors="pt")
            with torch.autocast("cpu", torch.bfloat16):
                value = loss(network, inputs)
            value.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            rates.append(int(inputs["attention_mask"].sum()) / (time.perf_counter() - start))
        print(json.dumps({"torch": name, "tokens_per_second": round(statistics.median(rates[1:])),
                          "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}), flush=True)

    def pairs(step: int):
        chosen = rows[step * 16:step * 16 + 16]
        return [f"{a} [SEP] {other}" for a, p, n in chosen for other in (p, n)], 512

    def groups(step: int):
        chosen = rows[step * 16:step * 16 + 16]
        return [text for place, (a, p, n) in enumerate(chosen)
                for text in (a, p, n, rows[100 + step * 16 + place][1], rows[100 + step * 16 + place][2])], 128

    def cross_entropy(network, inputs):
        labels = torch.tensor([1.0, 0.0] * 16)
        return F.binary_cross_entropy_with_logits(network(**inputs).logits[:, 0].float(), labels)

    def distillation(network, inputs):
        hidden, mask = network(**inputs).last_hidden_state.float(), inputs["attention_mask"][:, :, None].float()
        vectors = F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1).view(16, 5, -1)
        scores = (torch.einsum("qd,qkd->qk", vectors[:, 0], vectors[:, 1:]) + 1) / 2
        target = torch.softmax(torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(16, 4) / 0.2, dim=-1)
        divergence = F.kl_div(torch.log_softmax(scores / 0.2, dim=-1), target, reduction="batchmean")
        return divergence + 0.3 * F.relu(0.7 - scores[:, 0] + scores[:, 1:].mean(1)).mean()

    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.1, target_modules=TARGETS)
    if options.run == "teacher":
        network = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1, dtype=torch.float32)
        lora.modules_to_save = ["classifier"]
        lora.target_modules = r".*(query|key|value|encoder.*dense)"
        steps(get_peft_model(network, lora).train(), "teacher, LoRA", pairs, cross_entropy)
    else:
        network = AutoModel.from_pretrained(model, dtype=torch.float32)
        if options.run == "student-lora":
            network = get_peft_model(network, lora)
        steps(network.train(), options.run, groups, distillation)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--torch-steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.tokenizer = options.tokenizer.resolve()
    if options.run == "checkpoint":
        return make_checkpoint(options, options.model)
    if options.run:
        return run_torch(options, options.model)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "large"
        again = [sys.executable, *sys.argv, "--model", str(model)]
        subprocess.run([*again, "--run", "checkpoint"], check=True)
        run_retort(options, model, Path(folder))
        for name in ("teacher", "student", "student-lora"):
            ended = subprocess.run([*again, "--run", name])
            if ended.returncode:  # -9: the system ended it, for it took all memory
                print(json.dumps({"torch": name, "ended_with": ended.returncode}), flush=True)


if __name__ == "__main__":
    main()
