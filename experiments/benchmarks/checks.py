"""What the checks of Retort's numbers share: limits, files of JSON lines, runs of pipelines."""
import json
import subprocess
from pathlib import Path

failures: list[str] = []


def check(name: str, value: float, limit: float) -> None:
    if not value <= limit:
        failures.append(name)
    print(f"{'ok  ' if value <= limit else 'MISS'} {name}: {value:.3g} (limit {limit:g})", flush=True)


def write_lines(path: Path, values: list) -> None:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


def read_lines(path: Path) -> list:
    with open(path, encoding="utf-8", newline="\n") as file:  # str.splitlines would also cut at U+2028
        return [json.loads(line) for line in file]


def run(retort: str, folder: Path, name: str, stages: dict) -> dict:
    """Runs a pipeline and returns the paths of its outputs by stage and port."""
    (folder / f"{name}.yaml").write_text(json.dumps({"version": 1, "defaults": {"threads": 2}, "stages": stages}))
    store = ["--store", str(folder / "store")]
    subprocess.run([retort, "run", str(folder / f"{name}.yaml"), *store], check=True, stdout=subprocess.DEVNULL)
    shown = subprocess.run([retort, "show", "latest", "--json", *store], check=True, capture_output=True)
    return {stage["name"]: {port: Path(out["path"]) for port, out in stage["outputs"].items()}
            for stage in json.loads(shown.stdout)["stages"]}
