"""Runs one experiment or pipeline file from many processes at once, from an empty store, and counts what was executed.

  python concurrent_runs.py [--retort retort] [--processes 10] [--rounds 3] [--seed 1] [--pipeline PATH …]

Without --pipeline: an experiment over twenty `cmd` stages in five layers, each of which sleeps for a moment and takes what
the layer above made; the last three layers differ in three variants, and one stage that they share is published. A round holds if every process ends with 0, every stage has exactly one row with
the state `ran` over all runs, the database is sound, no two runs disagree about an output, and a later run executes
nothing. `waits` counts the lines in which a process said whom it waits for. Standard library only. Exits with 1 if
anything did not hold.
"""
import argparse
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def layers(draw: random.Random) -> dict:
    stages, above = {}, []
    for layer in range(5):
        names = [f"s{layer}-{number}" for number in range(4)]
        for name in names:
            words = " ".join("${in.%s}" % port for port in "ab" if above)
            said = f"{name} ${{params.word}}" if layer >= 2 else name
            stages[name] = {"cmd": f"sleep {draw.uniform(0.05, 0.6):.2f}; cat {words or '/dev/null'} > ${{out.text}}; "
                                   f"echo {said} >> ${{out.text}}",
                            "out": {"text": {"path": "text.txt", "type": "text"}}, "threads": 1, "memory": "50MB"}
            if above:
                stages[name]["in"] = {port: f"{source}.text" for port, source in zip("ab", draw.sample(above, 2))}
        above = names
    stages["s1-0"]["publish"] = "published/shared.txt"
    return {"version": 1, "name": "layers", "params": {"word": "a"}, "stages": stages}


def run_round(retort: str, pipeline: Path, store: Path, processes: int) -> list[str]:
    """What did not hold."""
    command = [retort, "run", str(pipeline), "--store", str(store)]
    began = time.monotonic()
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(processes)]
    said = [run.communicate()[0] for run in runs]
    seconds = time.monotonic() - began
    codes = [run.returncode for run in runs]
    problems = [f"a process ended with {code}:\n{text}" for code, text in zip(codes, said) if code]
    with sqlite3.connect(store / "retort.sqlite") as database:
        ran = dict(database.execute("SELECT stage, count(*) FROM stage_run WHERE state = 'ran' GROUP BY stage"))
        stages = {name for name, in database.execute("SELECT DISTINCT stage FROM stage_run")}
        states = dict(database.execute("SELECT state, count(*) FROM run GROUP BY state"))
        outputs = database.execute("SELECT stage, port, count(DISTINCT digest) FROM artifact_edge JOIN stage_run ON id = stage_run"
                                   " WHERE direction = 'out' GROUP BY stage, port HAVING count(DISTINCT digest) > 1").fetchall()
        if database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            problems.append("the database is damaged")
    problems += [f"{stage} was executed {ran.get(stage, 0)} times" for stage in sorted(stages) if ran.get(stage, 0) != 1]
    problems += [f"runs disagree about {stage}.{port}" for stage, port, _ in outputs]
    if states != {"done": processes}:
        problems.append(f"runs are recorded as {states}")
    again = subprocess.run(command + ["--json"], capture_output=True, text=True)
    executed = [event for event in map(json.loads, again.stdout.splitlines()) if event.get("state") == "ran"]
    if again.returncode or executed:
        problems.append(f"one more run ended with {again.returncode} and executed {len(executed)} stages")
    waits = sum(text.count("] waits for process ") for text in said)
    print(f"{processes} processes, {len(stages)} stages: {sum(ran.values())} executions, exit codes {sorted(set(codes))}, "
          f"{waits} waits, {seconds:.1f} s; {len(problems)} problems", flush=True)
    return problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pipeline", type=Path, action="append", default=[])
    options = parser.parse_args()
    draw, bad = random.Random(options.seed), 0
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / ".retort").mkdir()
            (folder / "layers.yaml").write_text(json.dumps(layers(draw)))
            made = folder / "experiment.yaml"
            made.write_text(json.dumps({"pipeline": "layers.yaml", "matrix": {"params.word": ["a", "b", "c"]}}))
            for index, pipeline in enumerate(options.pipeline or [made]):
                # The store of a file elsewhere is still one of our own.
                store = folder / ".retort" if pipeline == made else folder / f"store-{index}"
                problems = run_round(options.retort, pipeline, store, options.processes)
                for problem in problems:
                    print(f"round {number + 1}, {pipeline.name}: {problem}")
                bad += len(problems)
                subprocess.run(["chmod", "-R", "u+w", str(store)], check=True)
    sys.exit(1 if bad else 0)


main()
