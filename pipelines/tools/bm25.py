"""Ranks a corpus for each query of a group file by BM25 and writes accuracy, MRR and nDCG; standard library only.

  bm25.py GROUPS RESULTS [--corpus FILE] [--ngram N]

Terms are words, or with --ngram the runs of N letters within words, which suits Korean's endings.
The score is Robertson and Zaragoza's (2009), k1 1.2, b 0.75, idf ln(1 + (N − n + 0.5)/(n + 0.5)); ties go by
passage id, descending. The corpus is FILE (JSONL of id and text) or the union of the groups' passages.
"""
import argparse
import json
import math
import re
from collections import Counter, defaultdict
from pathlib import Path

K1, B, CUTOFF = 1.2, 0.75, 10


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def terms(text: str, ngram: int) -> list[str]:
    words = re.findall(r"\w+", text.lower())
    if ngram == 0:
        return words
    return [word[i:i + ngram] for word in words for i in range(max(1, len(word) - ngram + 1))]


def make_index(corpus: dict[str, str], ngram: int) -> dict[str, list[tuple[str, float]]]:
    """Term to (passage id, its contribution to the score)."""
    counts = {id: Counter(terms(text, ngram)) for id, text in corpus.items()}
    mean = sum(c.total() for c in counts.values()) / len(counts)
    frequency = Counter(term for c in counts.values() for term in c)
    index = defaultdict(list)
    for id, passage in counts.items():
        norm = K1 * (1 - B + B * passage.total() / mean)
        for term, count in passage.items():
            idf = math.log(1 + (len(corpus) - frequency[term] + 0.5) / (frequency[term] + 0.5))
            index[term].append((id, idf * count * (K1 + 1) / (count + norm)))
    return index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--ngram", type=int, default=0)
    options = parser.parse_args()
    groups = read(options.groups)
    passages = read(options.corpus) if options.corpus else [
        passage for group in groups for passage in group["positives"] + group.get("negatives", [])]
    corpus = {passage["id"]: passage["text"] for passage in passages}
    index = make_index(corpus, options.ngram)
    totals = Counter()
    for group in groups:
        scores = dict.fromkeys(corpus, 0.0)
        for term in terms(group["query"], options.ngram):
            for id, part in index.get(term, ()):
                scores[id] += part
        ranking = sorted(scores, key=lambda id: (scores[id], id), reverse=True)
        gold = {positive["id"] for positive in group["positives"]}
        ranks = [rank for rank, id in enumerate(ranking, 1) if id in gold]
        ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(gold), CUTOFF) + 1))
        totals["accuracy@1"] += ranks[0] <= 1
        totals["accuracy@5"] += ranks[0] <= 5
        totals["mean_rank"] += ranks[0]
        totals["mrr@10"] += 1 / ranks[0] if ranks[0] <= CUTOFF else 0
        totals["ndcg@10"] += sum(1 / math.log2(rank + 1) for rank in ranks if rank <= CUTOFF) / ideal
    results = {name: round(total / len(groups), 6) for name, total in totals.items()}
    options.results.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results))


main()
