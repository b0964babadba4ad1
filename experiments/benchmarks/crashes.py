"""Kills a training pipeline at random moments and checks what must hold; and runs it with other threads and memory.

  python crashes.py [--retort retort] [--moments 50] [--seed 1]

The pipeline is quickstart's in small, over the questions in pipelines/data, with a checkpoint at every step of both
trainings. A reference run with one thread and 2 GB gives digests and metrics; one with two threads and 6 GB must give
the same. Then `moments` kills, one to four in a row in each new store, before the pipeline may end: `kill -9` of the
coordinator, a worker, or both. After each, no worker may live on without holding its lock or outlive its coordinator,
and the database must be sound. In the end the run must end well with the reference's digests and every metric of every
step once, every object must hash to its name, `retort verify` must find nothing, and one more run must execute nothing.
Standard library only. Exits with 1 if anything did not hold.
"""
import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "pipelines/data"
FORM = {"passage_template": "{title}. {text}", "rewrite": True}
TRAINING = {"epochs": 2, "batch_size": 16, "lr": 1e-3, "max_len": 64}


def pipeline(threads: int, memory: str) -> dict:
    def groups(part: str) -> dict:
        return {"uses": "groups", "in": {"data": f"split.{part}", "passages": str(DATA / "grammar_book.json")}, "with": FORM}
    defaults = {"seed": 7, "threads": threads, "memory": memory, "checkpoint": {"every": 1}}
    return {"version": 1, "name": "crashes", "defaults": defaults, "stages": {
        "split": {"uses": "split", "in": {"data": str(DATA / "qa.json")}, "with": {"max_samples": 250}},
        "train": groups("train"),
        "held": groups("eval"),
        "base": {"uses": "init", "in": {"groups": "train.groups"},
                 "with": {"vocab_size": 2000, "hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 128}},
        "mined": {"uses": "mine", "in": {"groups": "train.groups"}, "with": {"num_negatives": 5}},
        "teacher": {"uses": "teacher", "in": {"base": "base.model", "train": "mined.candidates"}, "with": TRAINING},
        "scored": {"uses": "score", "in": {"teacher": "teacher.model", "candidates": "mined.candidates"}},
        "student": {"uses": "distill", "in": {"base": "base.model", "scores": "scored.scores",
                                              "validation": "held.groups"},
                    "with": {**TRAINING, "K": 4, "lora": {"r": 8, "alpha": 16}}},
        "tested": {"uses": "evaluate", "in": {"model": "student.student", "data": "held.groups"}},
        "counted": {"cmd": "sleep 1; wc -l < ${in.groups} > ${out.count}", "in": {"groups": "train.groups"},
                    "out": {"count": {"path": "count.txt", "type": "text"}}},
    }}


class Project:
    def __init__(self, retort: str, folder: Path, threads: int = 2, memory: str = "2GB"):
        self.retort, self.folder, self.store = retort, folder, folder / ".retort"
        self.resumed = 0  # trainings that went on from a checkpoint, as far as their run could say so
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "p.yaml").write_text(json.dumps(pipeline(threads, memory)))

    def start(self) -> subprocess.Popen:
        return subprocess.Popen([self.retort, "run", str(self.folder / "p.yaml"), "--store", str(self.store), "-j", "2"],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self) -> dict:
        """Runs to the end; what the latest run shows."""
        run = self.start()
        said = run.communicate()[0]
        if run.returncode != 0:
            raise AssertionError(f"the next run ended with {run.returncode}:\n{said}")
        self.resumed += said.count("continues after step")
        return json.loads(subprocess.check_output([self.retort, "show", "latest", "--json", "--store", str(self.store)]))

    def workers(self) -> list[int]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"worker" in words[1:2] and any(str(self.store).encode() + b"/" in word for word in words):
                found.append(int(process.name))
        return found

    def unlocked(self) -> bool:
        """Whether a worker lives on while no lock of the store is held: one that has just begun takes its lock soon."""
        before = set(self.workers())
        for _ in range(4):
            if not before or self.locked():
                return False
            time.sleep(0.25)
            before &= set(self.workers())
        return bool(before)

    def locked(self) -> bool:
        for lock in self.store.glob("work/*/lock"):
            with open(lock, "r+") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
        return False

    def kill(self, victim: str, after: float, training: bool) -> tuple[bool, list[str]]:
        """Kills `victim` so many seconds after the run began, or after a training had a checkpoint; whether the run was
        still going on then, and what did not hold afterwards."""
        run = self.start()
        while training and run.poll() is None and not any(self.store.glob("work/*/scratch/checkpoints/*.state")):
            time.sleep(0.01)
        time.sleep(after)
        workers, live = self.workers(), run.poll() is None
        if victim != "coordinator" and workers:
            os.kill(workers[0], signal.SIGKILL)
        if victim != "worker" and run.poll() is None:
            run.kill()
        # A coordinator that lives starts and ends workers as it should.
        problems = ["a worker lives on without its lock"] if victim != "worker" and self.unlocked() else []
        self.resumed += run.communicate()[0].count("continues after step")
        if victim != "worker":
            settle(self)
            problems += ["a worker outlived its coordinator"] if self.workers() else []
        if (self.store / "retort.sqlite").exists() and self.query("PRAGMA integrity_check") != [("ok",)]:
            problems.append("the database is damaged")
        return live, problems

    def query(self, text: str) -> list:
        with contextlib.closing(sqlite3.connect(self.store / "retort.sqlite")) as database:
            return database.execute(text).fetchall()

    def metrics(self) -> list:
        """Every metric of every step of the stages' results, by stage."""
        return self.query("""SELECT stage, name, metric.step, value FROM result JOIN stage_run ON stage_run.id = result.stage_run
                             JOIN metric ON metric.stage_run = stage_run.id ORDER BY stage, metric.rowid""")

    def broken_objects(self) -> list[str]:
        return [str(path) for path in self.store.glob("objects/??/*")
                if hashlib.sha256(path.read_bytes()).hexdigest() != path.parent.name + path.name]


def digests(shown: dict) -> dict:
    return {f"{stage['name']}.{port}": output["digest"] for stage in shown["stages"]
            for port, output in stage["outputs"].items()}


def settle(project: Project) -> None:
    """A worker whose coordinator is gone takes up to two seconds to end its commands."""
    until = time.monotonic() + 5
    while project.workers() and time.monotonic() < until:
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw, bad, live, moment, resumed = random.Random(options.seed), 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        first = Project(options.retort, Path(scratch) / "one", 1, "2GB")
        reference = digests(first.finish())
        length = time.monotonic() - began
        other = digests(Project(options.retort, Path(scratch) / "two", 2, "6GB").finish())
        differing = sorted(name for name in reference if reference[name] != other[name])
        print(f"1 thread, 2GB and 2 threads, 6GB: {len(reference)} artifacts, {len(differing)} differ {differing}")
        bad += bool(differing)
        while moment < options.moments:
            project, problems, victims = Project(options.retort, Path(scratch) / f"kill-{moment}"), [], []
            for _ in range(min(draw.randint(1, 4), options.moments - moment)):
                victims.append(draw.choice(["coordinator", "worker", "both"]))
                training = draw.random() < 0.6
                after = draw.uniform(0, length * 0.1) if training else draw.uniform(0.05, length * 0.5)
                lived, found = project.kill(victims[-1], after, training)
                live += lived
                problems += found
                moment += 1
            try:
                if digests(project.finish()) != reference:
                    problems.append("digests differ")
                if project.metrics() != first.metrics():
                    problems.append("metrics differ")
                if any(stage["state"] != "cached" for stage in project.finish()["stages"]):
                    problems.append("one more run executed something")
            except AssertionError as error:
                problems.append(str(error))
            problems += [f"half an object: {path}" for path in project.broken_objects()]
            verified = subprocess.run([options.retort, "verify", "--store", str(project.store)], text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if verified.returncode != 0:
                problems.append(f"verify ended with {verified.returncode}: {verified.stdout}")
            resumed += project.resumed
            print(f"moment {moment}: {', '.join(victims)}; {project.resumed} resumed; "
                  f"{'; '.join(problems) or 'all holds'}", flush=True)
            bad += bool(problems)
            subprocess.run(["chmod", "-R", "u+w", str(project.folder)], check=True)
            shutil.rmtree(project.folder)
        subprocess.run(["chmod", "-R", "u+w", scratch], check=True)
    print(f"{moment} moments, {live} of them in a live run, {resumed} trainings resumed, {bad} bad")
    sys.exit(1 if bad else 0)


main()
