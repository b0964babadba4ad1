"""Compares what two builds of Retort make of the shipped pipelines, byte by byte: a change that only moves code changes nothing.

  python digests.py --old retort --new .build/release/retort [--wordnet] [--kernels portable avx2]

Runs quickstart (with --wordnet also wordnet, which downloads) from this checkout with both binaries, each in an empty
store of its own, with each class of kernels forced, and compares the digest of every output, stage by stage. Names the
first output that differs, with both keys: equal keys and other bytes are an error of the newer build; other keys mean
that it counts the stage as another one, for instance by a raised revision. Standard library only. Exits with 1 where
anything differs.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"


def stages(retort: str, pipeline: str, kernels: str, folder: Path) -> list[dict]:
    """What `retort show` says of the stages of a run in a new project."""
    shutil.copytree(PIPELINES, folder / "pipelines")
    (folder / ".retort").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "RETORT_STORE"} | {"RETORT_KERNELS": kernels}

    def call(*arguments: str) -> str:
        ended = subprocess.run([retort, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
        if ended.returncode:
            sys.exit(f"{retort} {' '.join(arguments)} (RETORT_KERNELS={kernels}) ended with {ended.returncode}\n"
                     f"{ended.stdout[-2000:]}{ended.stderr}")
        return ended.stdout

    call("run", f"pipelines/{pipeline}.yaml")
    return json.loads(call("show", "latest", "--json"))["stages"]


def differences(old: list[dict], new: list[dict]) -> list[str]:
    """A line for every output that differs or that one run alone has, in the order of the stages."""
    def outputs(stages: list[dict]) -> dict:
        return {f"{stage['name']}.{port}": (stage["key"], output["digest"])
                for stage in stages for port, output in stage["outputs"].items()}

    before, after = outputs(old), outputs(new)
    lines = []
    for name in before | after:
        (old_key, old_digest), (new_key, new_digest) = before.get(name, ("", "")), after.get(name, ("", ""))
        if old_digest == new_digest:
            continue
        if not old_digest or not new_digest:
            lines.append(f"{name} is made by the {'old' if old_digest else 'new'} binary alone")
            continue
        keys = f"the same key, {old_key[:12]}" if old_key == new_key else f"another key, {old_key[:12]} and {new_key[:12]}"
        lines.append(f"{name}: old {old_digest[:12]}, new {new_digest[:12]}, of {keys}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", required=True, help="the binary whose results are expected")
    parser.add_argument("--new", required=True, help="the binary that is looked at")
    parser.add_argument("--wordnet", action="store_true", help="run wordnet as well")
    parser.add_argument("--kernels", nargs="+", default=["portable", "avx2"], help="classes, as RETORT_KERNELS names them")
    arguments = parser.parse_args()
    binaries = []
    for name in (arguments.old, arguments.new):
        found = shutil.which(name)
        if not found:
            sys.exit(f"there is no program {name}")
        binaries.append(os.path.abspath(found))
    differs = False
    for pipeline in ["quickstart"] + ["wordnet"] * arguments.wordnet:
        for kernels in arguments.kernels:
            with tempfile.TemporaryDirectory() as folder:
                old, new = (stages(binary, pipeline, kernels, Path(folder) / side)
                            for binary, side in zip(binaries, ("old", "new")))
            lines = differences(old, new)
            count = sum(len(stage["outputs"]) for stage in new)
            print(f"{pipeline}, {kernels}: " + (f"{len(lines)} of {count} outputs differ, first {lines[0]}" if lines
                                                else f"all {count} outputs of {len(new)} stages are the same"), flush=True)
            for line in lines[1:]:
                print(f"  {line}")
            differs |= bool(lines)
    sys.exit(differs)


if __name__ == "__main__":
    main()
