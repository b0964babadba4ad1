"""Times `score` and `embed` when some of their records changed, and checks that the bytes are those of a full run.

  python record_reuse.py [--retort retort] [--model FOLDER] [--teacher FOLDER] [--records 5000] [--seed 1]

For 0 %, 1 %, 10 % and 100 % of the records changed: the seconds of the stage when it may take rows from the result over
the unchanged records, the seconds of computing everything (`--force`), how many rows were computed, and whether the two
outputs have the same digest. At 0 % the records are the same in another order. Without folders the models are made by
quickstart's `init` (and `teacher`, on one query, to have a classification head). Standard library only. Exits with 1 if
bytes differ or a row was computed that need not have been.
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "pipelines/data"


class Project:
    def __init__(self, retort: str, folder: Path):
        self.retort, self.folder = retort, folder
        (folder / ".retort").mkdir()

    def run(self, stages: dict, *arguments: str) -> dict:
        """What `retort show` says of the run."""
        (self.folder / "p.yaml").write_text(json.dumps({"version": 1, "defaults": {"seed": 7, "threads": os.cpu_count()}, "stages": stages}))
        ended = subprocess.run([self.retort, "run", "p.yaml", *arguments], cwd=self.folder, capture_output=True, text=True)
        if ended.returncode:
            raise SystemExit(ended.stdout + ended.stderr)
        shown = subprocess.check_output([self.retort, "show", "latest", "--json"], cwd=self.folder, text=True)
        return {stage["name"]: stage for stage in json.loads(shown)["stages"]}

    def models(self) -> tuple[str, str]:
        """An encoder and a cross-encoder with random weights."""
        group = {"id": "q", "query": "한글", "positives": [{"id": "p", "text": "한글 맞춤법"}],
                 "negatives": [{"id": "n", "text": "외래어 표기법"}]}
        (self.folder / "groups.jsonl").write_text(json.dumps(group, ensure_ascii=False) + "\n")
        made = self.run({
            "split": {"uses": "split", "in": {"data": str(DATA / "qa.json")}},
            "groups": {"uses": "groups", "in": {"data": "split.train", "passages": str(DATA / "grammar_book.json")}},
            "base": {"uses": "init", "in": {"groups": "groups.groups", "corpus": "groups.corpus"},
                     "with": {"vocab_size": 3000, "hidden_size": 384, "num_hidden_layers": 4, "intermediate_size": 1536}},
            "teacher": {"uses": "teacher", "in": {"base": "base.model", "train": "./groups.jsonl"}, "with": {"epochs": 1}}})
        return made["base"]["outputs"]["model"]["path"], made["teacher"]["outputs"]["model"]["path"]

    def write(self, texts: list[str]) -> None:
        with open(self.folder / "texts.jsonl", "w") as file:
            for number, text in enumerate(texts):
                file.write(json.dumps({"id": f"t{number}", "text": text}, ensure_ascii=False) + "\n")
        with open(self.folder / "candidates.jsonl", "w") as file:
            for number in range(0, len(texts), 10):
                candidates = [{"id": f"p{number + place}", "text": text, "label": int(place == 0),
                               "source": "positive" if place == 0 else "random"}
                              for place, text in enumerate(texts[number:number + 10])]
                file.write(json.dumps({"id": f"q{number}", "query": "어느 규정인가", "candidates": candidates}, ensure_ascii=False) + "\n")

    def computed(self, stage: dict) -> int:
        count, reused = re.findall(r"(?:Texts|Pairs): (\d+) .*Reused: (\d+)", Path(stage["log"]).read_text())[-1]
        return int(count) - int(reused)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw, bad = random.Random(options.seed), 0
    words = re.findall(r"[가-힣]+", (DATA / "grammar_book.json").read_text())

    def text(number: int) -> str:
        return f"{number} " + " ".join(draw.choices(words, k=draw.randint(8, 40)))

    original = [text(number) for number in range(options.records)]
    print("stage     changed  computed  seconds  full run  bytes", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        project = Project(options.retort, Path(scratch))
        made = (None, None) if options.model and options.teacher else project.models()
        stages = {
            "embed": {"uses": "embed", "in": {"model": str((options.model or Path(made[0])).resolve()), "texts": "texts.jsonl"}},
            "score": {"uses": "score", "in": {"teacher": str((options.teacher or Path(made[1])).resolve()),
                                              "candidates": "candidates.jsonl"}}}
        project.write(original)
        project.run(stages)
        for percent in (0, 1, 10, 100):
            texts, changed = list(original), options.records * percent // 100
            for number in draw.sample(range(len(texts)), changed):
                texts[number] = "x" + text(number)
            if not changed:
                draw.shuffle(texts)
            project.write(texts)
            reused = project.run(stages)
            full = project.run(stages, "--force", "embed", "--force", "score")
            for name in stages:
                computed = project.computed(reused[name])
                same = reused[name]["outputs"] == full[name]["outputs"]
                print(f"{name:8}  {percent:5} %  {computed:8}  {reused[name]['seconds']:7.2f}  {full[name]['seconds']:8.2f}  "
                      f"{'equal' if same else 'DIFFER'}", flush=True)
                bad += not same or computed != changed
        subprocess.run(["chmod", "-R", "u+w", scratch], check=True)
    sys.exit(1 if bad else 0)


main()
