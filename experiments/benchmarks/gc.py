"""Measures `retort gc`: a dry run on a store that refers to 50 GB, and runs beside collections that lose nothing.

    python3 experiments/benchmarks/gc.py --retort PATH [--iterations 200] [--gigabytes 50] [--folder DIR]

1. A store with 50 GB of sparse objects, in files and in folders, all made by recorded stages: the time of a dry run,
   first with all of it in use, then with all but the last run's out of use.
2. N times: a run, changed in one parameter that cycles through five values, in two processes that share a store, while
   two more collect with no grace and only the last run kept, again and again, and a fifth one's collections are killed
   at random moments. Every run must exit 0, every output must have the bytes that a model of the pipeline says, and
   the store must be sound afterwards.
"""
import argparse, hashlib, json, os, random, shutil, sqlite3, subprocess, sys, tempfile, threading, time
from pathlib import Path

PIPELINE = """version: 1
name: cycle
stages:
  head:
    cmd: mkdir parts; for i in 1 2 3 4 5 6 7 8; do echo {value} $i > parts/$i.txt; done
    out: {{parts: {{path: parts}}}}
  same:
    cmd: seq 1 2000 > ${{out.text}}
    out: {{text: {{path: same.txt, type: text}}}}
  tail:
    cmd: cat ${{in.parts}}/*.txt ${{in.same}} > ${{out.text}}
    in: {{parts: head.parts, same: same.text}}
    out: {{text: {{path: all.txt, type: text}}}}
"""


def run(*arguments, **options):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, **options)


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def place(store, area, name):
    return store / area / name[:2] / name[2:]


def fill(retort, folder, gigabytes):
    """A real run first, which makes the tables; then rows and sparse files as of 500 more stages."""
    project = folder / "large"
    (project / ".retort").mkdir(parents=True)
    (project / "p.yaml").write_text(PIPELINE.format(value=1))
    first = run(retort, "run", "p.yaml", cwd=project)
    assert first.returncode == 0, first.stderr + first.stdout
    store = project / ".retort"
    stages, files = 500, 20
    size = gigabytes * 10**9 // (stages * files)
    database = sqlite3.connect(store / "retort.sqlite")
    pipeline = database.execute("SELECT id FROM pipeline").fetchone()[0]
    for stage in range(stages):
        lines, members = "", []
        for number in range(files):
            name = hashlib.sha256(f"{stage} {number}".encode()).hexdigest()
            path = place(store, "objects", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.truncate(path, size)
            members.append((f"{number:02d}.bin", path))
            lines += f"f {name} {size} {number:02d}.bin\0"
        manifest = ("retort folder 1\n" + lines).encode()
        name = hashlib.sha256(manifest).hexdigest()
        path = place(store, "objects", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(manifest)
        tree = place(store, "trees", name)
        tree.mkdir(parents=True, exist_ok=True)
        for member, target in members:
            os.link(target, tree / member)
        key = hashlib.sha256(f"key {stage}".encode()).hexdigest()
        made = database.execute(
            "INSERT INTO run (pipeline, state, started, ended, host, pid) VALUES (?, 'done', '2020-01-01 00:00:00.000', "
            "'2020-01-01 00:00:01.000', 'bench', 1)", (pipeline,)).lastrowid
        row = database.execute(
            "INSERT INTO stage_run (run, stage, base, kind, state, key, started, ended, host) VALUES (?, ?, ?, 'cmd', 'ran', ?, "
            "'2020-01-01 00:00:00.000', '2020-01-01 00:00:01.000', 'bench')", (made, f"s{stage}", f"s{stage}", key)).lastrowid
        database.execute("INSERT INTO artifact (digest, bytes, kind) VALUES (?, ?, 'folder')", (name, size * files))
        database.execute("INSERT INTO artifact_edge (stage_run, port, direction, digest) VALUES (?, 'out', 'out', ?)", (row, name))
        database.execute("INSERT INTO result (key, stage_run) VALUES (?, ?)", (key, row))
        database.execute("INSERT INTO result_output (key, port, digest) VALUES (?, 'out', ?)", (key, name))
        database.execute("INSERT INTO pin (run) VALUES (?)", (made,))
    database.commit()
    return project, database


def dry_runs(retort, folder, gigabytes):
    project, database = fill(retort, folder, gigabytes)
    for title in ["in use", "out of use"]:
        start = time.monotonic()
        ended = run(retort, "gc", "--keep", 1, "--grace", "0s", "--json", cwd=project)
        seconds = time.monotonic() - start
        assert ended.returncode == 0, ended.stderr
        part = json.loads(ended.stdout)["removed"].get("object", {"count": 0, "bytes": 0})
        print(f"dry run, {gigabytes} GB {title}: {seconds:.2f} s, would remove {part['count']} objects, {part['bytes'] / 1e9:.1f} GB")
        database.execute("DELETE FROM pin")
        database.commit()
    start = time.monotonic()
    ended = run(retort, "gc", "--keep", 1, "--grace", "0s", "--apply", cwd=project)
    assert ended.returncode == 0, ended.stderr
    print(f"apply: {time.monotonic() - start:.2f} s")


def expected(value):
    parts = {f"{i}.txt": f"{value} {i}\n" for i in range(1, 9)}
    lines = "".join(f"f {hashlib.sha256(t.encode()).hexdigest()} {len(t)} {n}\0" for n, t in sorted(parts.items()))
    same = "".join(f"{i}\n" for i in range(1, 2001))
    text = "".join(parts[n] for n in sorted(parts)) + same
    return {"head.parts": hashlib.sha256(("retort folder 1\n" + lines).encode()).hexdigest(),
            "same.text": hashlib.sha256(same.encode()).hexdigest(),
            "tail.text": hashlib.sha256(text.encode()).hexdigest()}


def concurrent(retort, folder, iterations):
    project = folder / "cycle"
    (project / ".retort").mkdir(parents=True)
    stop, collections, trouble = threading.Event(), [0, 0], []
    counts = {"ran": 0, "killed": 0}

    def collect():
        while not stop.is_set():
            if not (project / ".retort/retort.sqlite").exists():
                continue
            ended = run(retort, "gc", "--apply", "--grace", "0s", "--keep", "1", "--json", cwd=project)
            if ended.returncode != 0:
                trouble.append(f"gc: {ended.stderr}")
                return
            collections[0] += 1
            collections[1] += json.loads(ended.stdout)["removed"].get("object", {"count": 0})["count"]

    def kill():
        moments = random.Random(7)
        while not stop.is_set():
            process = subprocess.Popen([retort, "gc", "--apply", "--grace", "0s", "--keep", "1"], cwd=project,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(moments.uniform(0, 0.1))
            if process.poll() is None:
                process.kill()
                counts["killed"] += 1
            process.wait()

    def runs(name, step, count):
        for number in range(count):
            value = number * step % 5
            (project / f"{name}.yaml").write_text(PIPELINE.format(value=value))
            ended = run(retort, "run", f"{name}.yaml", "--json", cwd=project)
            if ended.returncode != 0:
                trouble.append(f"{name} {number}: {ended.returncode} {ended.stdout[-2000:]} {ended.stderr}")
                return
            events = [json.loads(line) for line in ended.stdout.splitlines()]
            counts["ran"] += sum(e["event"] == "stage" and e.get("state") == "ran" for e in events)
            shown = json.loads(run(retort, "show", next(e["run"] for e in events if e["event"] == "began"), "--json", cwd=project).stdout)
            found = {f"{s['name']}.{p}": o["digest"] for s in shown["stages"] for p, o in s["outputs"].items()}
            if found != expected(value):
                trouble.append(f"{name} {number}: outputs {found}")
                return

    collectors = [threading.Thread(target=collect) for _ in range(2)] + [threading.Thread(target=kill)]
    for thread in collectors:
        thread.start()
    start = time.monotonic()
    runners = [threading.Thread(target=runs, args=(f"p{n}", n + 1, iterations // 2)) for n in range(2)]
    for thread in runners:
        thread.start()
    for thread in runners:
        thread.join()
    seconds = time.monotonic() - start
    stop.set()
    for thread in collectors:
        thread.join()
    verify = run(retort, "verify", cwd=project)
    if verify.returncode != 0:
        trouble.append(f"verify: {verify.returncode} {verify.stdout} {verify.stderr}")
    for line in trouble:
        print(line)
    print(f"{iterations} runs in two processes beside two collectors, {seconds:.0f} s: {counts['ran']} stages ran, "
          f"{collections[0]} collections removed {collections[1]} objects, {counts['killed']} more were killed, verify {'ok' if verify.returncode == 0 else 'FAILED'}")
    return not trouble


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--gigabytes", type=int, default=50)
    parser.add_argument("--folder")
    options = parser.parse_args()
    retort = shutil.which(options.retort)
    if not retort:
        sys.exit(f"there is no program {options.retort}; name it with --retort")
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        dry_runs(os.path.abspath(retort), Path(scratch), options.gigabytes)
        sound = concurrent(os.path.abspath(retort), Path(scratch), options.iterations)
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    main()
