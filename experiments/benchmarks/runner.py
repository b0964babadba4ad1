"""Times the runner beside DVC and Snakemake on one graph of trivial commands, all in one command, alternating.

  python runner.py [--retort retort] [--stages 200] [--rounds 5] [--first-rounds 1] [--large 10000]
                   [--dvc dvc] [--snakemake snakemake]

The graph: layers of ten stages, each of which copies its input, adds a line and takes the output of the stage ten before
it. Measured: the first run of all stages; a run with nothing to do, as wall time of the process and, for Retort, as the
program itself counts from its start to its end; and for Retort alone a graph of `--large` stages with nothing to do, with
its largest resident memory. Peers that are not given or not there are left out. Medians; standard library only.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

WIDTH = 10


def upstream(index: int) -> str:
    return "seed.txt" if index < WIDTH else f"{index - WIDTH}.txt"


def retort_file(count: int) -> str:
    def source(index: int) -> str:
        return "seed.txt" if index < WIDTH else f"s{index - WIDTH}.o"
    return json.dumps({"version": 1, "stages": {
        f"s{index}": {"cmd": "cat ${in.i} > ${out.o}; echo " + str(index) + " >> ${out.o}", "in": {"i": source(index)},
                      "out": {"o": {"path": "o.txt"}}}
        for index in range(count)}})


def dvc_file(count: int) -> str:
    return json.dumps({"stages": {
        f"s{index}": {"cmd": f"cat {upstream(index)} > {index}.txt; echo {index} >> {index}.txt",
                      "deps": [upstream(index)], "outs": [f"{index}.txt"]}
        for index in range(count)}})


def snakefile(count: int) -> str:
    last = ", ".join(f"'{index}.txt'" for index in range(max(0, count - WIDTH), count))
    rules = [f"rule all:\n    input: {last}\n"]
    for index in range(count):
        rules.append(f"rule s{index}:\n    input: '{upstream(index)}'\n    output: '{index}.txt'\n"
                     f"    shell: 'cat {{input}} > {{output}}; echo {index} >> {{output}}'\n")
    return "\n".join(rules)


def timed(command: list[str], folder: Path) -> tuple[float, int, str]:
    """Seconds, largest resident kilobytes of the process itself, and what it printed."""
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{output[-2000:]}")
    return seconds, usage.ru_maxrss, output


class Peer:
    def __init__(self, name: str, run: list[str], files: dict[str, str], clean: list[str], setup: list[list[str]] = []):
        self.name, self.run, self.clean = name, run, clean
        self.folder = Path(tempfile.mkdtemp(prefix=f"runner-{name}-"))
        for file, text in {**files, "seed.txt": "seed\n"}.items():
            (self.folder / file).write_text(text)
        for command in setup:
            timed(command, self.folder)
        self.first: list[float] = []
        self.noop: list[float] = []
        self.inside: list[float] = []
        self.memory = 0

    def forget(self) -> None:
        for name in self.clean:
            for path in self.folder.glob(name):
                subprocess.run(["chmod", "-R", "u+w", str(path)], check=True)
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def inside_seconds(self, output: str) -> None:
        for line in output.splitlines():
            if '"event":"ended"' in line:
                self.inside.append(json.loads(line)["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--dvc", default="dvc")
    parser.add_argument("--snakemake", default="snakemake")
    parser.add_argument("--stages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--first-rounds", type=int, default=1)
    parser.add_argument("--large", type=int, default=10_000, help="0: not measured")
    options = parser.parse_args()
    cores = str(os.cpu_count())
    retort = shutil.which(options.retort)
    if not retort:
        raise SystemExit(f"no program {options.retort}")
    peers = [Peer("retort", [retort, "run", "p.yaml", "--json"], {"p.yaml": retort_file(options.stages)}, [".retort"])]
    if dvc := shutil.which(options.dvc):
        peers.append(Peer("dvc", [dvc, "repro", "-q"], {"dvc.yaml": dvc_file(options.stages)},
                          [".dvc/cache", ".dvc/tmp", "dvc.lock", "[0-9]*.txt"],
                          [[dvc, "init", "-q", "--no-scm"], [dvc, "config", "core.analytics", "false"]]))
    if snakemake := shutil.which(options.snakemake):
        peers.append(Peer("snakemake", [snakemake, "-q", "all", "--cores", cores],
                          {"Snakefile": snakefile(options.stages)}, [".snakemake", "[0-9]*.txt"]))
    for _ in range(options.first_rounds):
        for peer in peers:
            peer.forget()
            peer.first.append(timed(peer.run, peer.folder)[0])
    for _ in range(options.rounds):
        for peer in peers:
            seconds, memory, output = timed(peer.run, peer.folder)
            peer.noop.append(seconds)
            peer.memory = max(peer.memory, memory)
            peer.inside_seconds(output)
    print(f"{options.stages} stages, {cores} cores, medians of {options.first_rounds} and {options.rounds}")
    for peer in peers:
        inside = f"  inside the program {statistics.median(peer.inside) * 1000:.0f} ms" if peer.inside else ""
        print(f"{peer.name:10} first run {statistics.median(peer.first):7.2f} s  nothing to do "
              f"{statistics.median(peer.noop) * 1000:7.0f} ms{inside}  {peer.memory // 1000} MB")
        shutil.rmtree(peer.folder)
    if options.large:
        peer = Peer("retort", [retort, "run", "p.yaml", "--json"], {"p.yaml": retort_file(options.large)}, [])
        peer.first.append(timed(peer.run, peer.folder)[0])
        for _ in range(options.rounds):
            seconds, memory, output = timed(peer.run, peer.folder)
            peer.noop.append(seconds)
            peer.memory = max(peer.memory, memory)
            peer.inside_seconds(output)
        print(f"{options.large} stages: first run {peer.first[0]:.1f} s, nothing to do "
              f"{statistics.median(peer.noop) * 1000:.0f} ms, inside the program "
              f"{statistics.median(peer.inside) * 1000:.0f} ms, {peer.memory // 1000} MB")
        shutil.rmtree(peer.folder)


if __name__ == "__main__":
    main()
