"""Shows that trainings that were interrupted, and trainings that were made longer, give the bytes of undisturbed ones.

  python extension.py [--retort retort] [--pipeline pipelines/quickstart.yaml] [--until STAGE…] [--less 1]
                      [--set params.size=200 …]

Of the pipeline's trainings (`teacher`, `distill`), copies are made with `schedule: constant` and warm-up in steps, the
schedule that can be extended. In one store each:
- whole: the pipeline from the start;
- resumed: the same, but every training is ended by SIGTERM at its third checkpoint and continued by the next run;
- killed: the same with `kill -9` of coordinator and worker;
- extended: each training first with `less` epochs fewer, then with all.
All digests of all stages and every metric of every step must be equal. Needs python3-yaml besides the standard library.
Exits with 1 if anything differs.
"""
import argparse
import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


class Loader(yaml.SafeLoader):
    """Reads `1e-3` as the number that YAML 1.2 says it is."""


Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
                             list("-+0123456789"))


def variant(file: Path, stages: list[str], less: int) -> dict:
    """The pipeline with absolute paths, without publications, each training `less` epochs shorter."""
    pipeline = yaml.load(file.read_text(), Loader)
    names = set(pipeline["stages"])
    if stages:
        pipeline["stages"] = {name: pipeline["stages"][name] for name in stages}
    for stage in pipeline["stages"].values():
        stage.pop("publish", None)
        for port, source in stage.get("in", {}).items():
            if not source.startswith("hf://") and source.split(".")[0] not in names:
                stage["in"][port] = str((file.parent / source).resolve())
        if stage.get("uses") in ("teacher", "distill"):
            parameters = stage.setdefault("with", {})
            parameters.update(schedule="constant", warmup_steps=10)
            parameters["epochs"] = parameters.get("epochs", 3) + 1 - less
            stage["checkpoint"] = {"every": 5}
    return pipeline


def needed(file: Path, until: list[str]) -> list[str]:
    """The stages that `until` need, in the file's order; all of them for none."""
    stages = yaml.load(file.read_text(), Loader)["stages"]
    wanted = set()
    queue = list(until)
    while queue:
        name = queue.pop()
        wanted.add(name)
        queue += [source.split(".")[0] for source in stages[name].get("in", {}).values() if source.split(".")[0] in stages]
    return [name for name in stages if name in wanted]


class Project:
    settings: list[str] = []

    def __init__(self, retort: str, folder: Path, pipeline: dict):
        self.retort, self.folder, self.store = retort, folder, folder / ".retort"
        folder.mkdir()
        self.write(pipeline)

    def write(self, pipeline: dict) -> None:
        (self.folder / "p.yaml").write_text(json.dumps(pipeline))

    def start(self) -> subprocess.Popen:
        command = [self.retort, "run", str(self.folder / "p.yaml"), "--store", str(self.store)]
        command += [word for setting in self.settings for word in ("--set", setting)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self) -> str:
        run = self.start()
        said = run.communicate()[0]
        if run.returncode != 0:
            sys.exit(f"a run ended with {run.returncode}:\n{said}")
        return said

    def disturb(self, number: int) -> int:
        """Ends the run at the third checkpoint of each training, again and again, until it is done; how often."""
        times, seen = 0, set()
        while True:
            run = self.start()
            while run.poll() is None:
                new = {path.parent for path in self.store.glob("work/*/scratch/checkpoints/*15.state")} - seen
                if new:
                    seen |= new
                    times += 1
                    holder = json.loads((new.pop().parents[1] / "lock").read_text())["pid"]
                    for victim in [run.pid] + [holder] * (number == signal.SIGKILL):
                        os.kill(victim, number)
                    break
                time.sleep(0.001)
            said = run.communicate()[0]
            if run.returncode == 0:
                return times
            if run.returncode not in (130, -signal.SIGKILL):
                sys.exit(f"a run ended with {run.returncode}:\n{said}")

    def digests(self) -> dict:
        shown = subprocess.check_output([self.retort, "show", "latest", "--json", "--store", str(self.store)])
        return {f"{stage['name']}.{port}": output["digest"] for stage in json.loads(shown)["stages"]
                for port, output in stage["outputs"].items()}

    def metrics(self) -> list:
        """Every metric of every step that the latest run's trainings reported, in order."""
        query = """SELECT s.stage, name, metric.step, value
                   FROM stage_run s JOIN metric ON metric.stage_run = coalesce(s.origin, s.id)
                   WHERE s.run = (SELECT max(id) FROM run) ORDER BY s.stage, metric.rowid"""
        with contextlib.closing(sqlite3.connect(self.store / "retort.sqlite")) as database:
            return database.execute(query).fetchall()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--pipeline", type=Path, default=ROOT / "pipelines/quickstart.yaml")
    parser.add_argument("--until", nargs="*", default=[])
    parser.add_argument("--less", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], metavar="PATH=VALUE")
    options = parser.parse_args()
    Project.settings = options.set
    stages = needed(options.pipeline, options.until)
    full, short = (variant(options.pipeline, stages, less) for less in (0, options.less))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        began = time.monotonic()
        whole = Project(options.retort, folder / "whole", full)
        whole.finish()
        print(f"whole: {time.monotonic() - began:.1f} s, {len(whole.digests())} artifacts, {len(whole.metrics())} metrics")
        bad = 0

        def compare(name: str, project: Project, said: str) -> None:
            nonlocal bad
            differing = sorted(key for key, digest in whole.digests().items() if project.digests().get(key) != digest)
            metrics = "equal" if project.metrics() == whole.metrics() else "different"
            bad += bool(differing) or metrics != "equal"
            print(f"{name}: {said}; {len(differing)} artifacts differ {differing}, metrics {metrics}", flush=True)

        for name, number in (("resumed", signal.SIGTERM), ("killed", signal.SIGKILL)):
            project = Project(options.retort, folder / name, full)
            times = project.disturb(number)
            compare(name, project, f"ended {times} times by {signal.Signals(number).name}")
        project = Project(options.retort, folder / "extended", short)
        project.finish()
        project.write(full)
        began = time.monotonic()
        count = project.finish().count("continues after step")
        compare("extended", project, f"{count} trainings continued, {time.monotonic() - began:.1f} s")
        if count == 0:
            sys.exit("no training was continued")
        subprocess.run(["chmod", "-R", "u+w", scratch], check=True)
    sys.exit(1 if bad else 0)


main()
