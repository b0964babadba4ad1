"""Writes preprocessed/<version>/{train,val,test}.csv from rules.txt: triplets of anchor, positive and negative; standard
library only, the same bytes every time.

  preprocess.py [FOLDER]    writes into FOLDER/preprocessed (default: beside this script)

The anchor is a sentence with a right and a wrong form to choose from, the positive the rule that decides, the negative
another rule, of the same part of the book where it has one. Version `supervised_only` has one row for each core of
rules.txt, divided 8:1:1; `supervised_with_detailed` has 120 rows more, with other sentences, in train only.
"""
import csv
import random
import sys
from pathlib import Path

from generate import Core, Rule, first_sentence, read_rules

SEED = 42
DETAILED = 120


def passage(rule: Rule) -> str:
    return f"{rule.title}. {first_sentence(rule.text)}"


def triplet(rule: Rule, core: Core, sentence: str, rules: list[Rule], rng: random.Random) -> tuple[str, str, str]:
    forms = rng.sample([core.right, core.wrong], 2)
    others = [other for other in rules if other is not rule]
    near = [other for other in others if other.part == rule.part]
    return (sentence.replace("_", "{" + "/".join(forms) + "}"), passage(rule), passage(rng.choice(near or others)))


def main() -> None:
    here = Path(__file__).parent
    folder = (Path(sys.argv[1]) if len(sys.argv) > 1 else here) / "preprocessed"
    rules, rng = read_rules(here / "rules.txt"), random.Random(SEED)
    cores = [(rule, core) for rule in rules for core in rule.cores]
    rows = [triplet(rule, core, core.sentences[0], rules, rng) for rule, core in cores]
    detailed = [triplet(rule, core, core.sentences[1], rules, rng) for rule, core in rng.sample(cores, DETAILED)]
    rng.shuffle(rows)
    train, held = int(len(rows) * 0.8), int(len(rows) * 0.9)
    parts = {"train": rows[:train], "val": rows[train:held], "test": rows[held:]}
    for version, more in (("supervised_only", []), ("supervised_with_detailed", detailed)):
        (folder / version).mkdir(parents=True, exist_ok=True)
        for name, part in parts.items():
            with open(folder / version / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["anchor", "positive", "negative"])
                writer.writerows(part + (more if name == "train" else []))
            print(f"{version}/{name}.csv: {len(part) + (len(more) if name == 'train' else 0)}")


if __name__ == "__main__":
    main()
