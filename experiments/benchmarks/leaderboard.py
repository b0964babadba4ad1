"""Measures `retort runs` on the history of many weeks: 10,000 runs, 100,000 stages.

    python3 experiments/benchmarks/leaderboard.py [--retort PATH] [--store DIR] [--rounds 5]

Writes the history through the journal itself, by a test that does nothing else (`swift test --filter LargeHistory`, from
the repository's root; a minute), unless DIR has one already. Prints for each question the median of the wall times and of
the processor's times, each of a whole process.
"""
import argparse, os, resource, statistics, subprocess, tempfile, time
from pathlib import Path

QUESTIONS = [
    [],
    ["--where", "ndcg@10 > 0.7 and tau = 0.1", "--sort", "-ndcg@10"],
    ["--where", "ndcg@10 > 0", "--sort", "-ndcg@10"],
    ["--sort", "-ndcg@10"],
    ["--where", "lr < 2e-5 and rank > 500", "--sort", "-teacher-test.ndcg@10"],
    ["--where", "not tau = 0.1 or student-test.mrr@10 < 0.1", "--sort", "tau"],
    ["--where", "tag = 'best*'"],
]


def measure(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    store = options.store or Path(tempfile.mkdtemp()) / "store"
    if not (store / "retort.sqlite").exists():
        store.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"RETORT_LARGE_HISTORY": str(store.absolute())}
        subprocess.run(["swift", "test", "--filter", "LargeHistory"], env=environment, check=True)
    for question in QUESTIONS:
        command = [options.retort, "runs", "--store", str(store), *question]
        measure(command)
        times = [measure(command) for _ in range(options.rounds)]
        wall, processor = (1000 * statistics.median(column) for column in zip(*times))
        print(f"{wall:6.0f} ms, processor {processor:6.0f} ms: runs {' '.join(question)}")


main()
