"""What the tests of the recipes share: a small sweep, the processes of its cells, and what a finished sweep must look like."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Nine cells, each long enough to be caught at work.
EXPERIMENT = """\
schema: 1
about: A small sweep for the tests of the recipes
input: {file: "normal:32x256:1", bits: 8}
model: [relu: ]
protocol: {lookup: logup-gkr}
matrix:
  input.rows: [1, 8, 32]
  protocol.lookup: [logup-gkr, lasso, {logkr: {form: product}}]
measure: {warmup: 1, samples: 100}
"""
CELLS = 9


def experiment(folder):
    """Writes the experiment."""
    path = Path(folder) / "small.yaml"
    path.write_text(EXPERIMENT)
    return path


def plain_run(workbench, folder):
    """The cells of an undisturbed `workbench run`: their identities."""
    runs = Path(folder) / "runs"
    subprocess.run([workbench, "run", str(experiment(folder)), "--runs", str(runs)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {record["identity"] for record in results(runs / "latest-small")}


def results(folder):
    """Every line of the results, none left out."""
    return [json.loads(line) for line in (Path(folder) / "results.jsonl").read_text().splitlines()]


def assert_complete(folder, wanted):
    """Every cell is there exactly once, and ok."""
    records = results(folder)
    identities = [record["identity"] for record in records]
    assert len(wanted) == CELLS, wanted
    assert len(identities) == len(set(identities)), f"a cell twice: {identities}"
    assert set(identities) == wanted, f"missing {wanted - set(identities)}, unknown {set(identities) - wanted}"
    assert {record["status"] for record in records} == {"ok"}, [(r["status"], r["reason"]) for r in records]


def cell_processes(folder):
    """The processes that run cells of this folder: `(process, its parent, the cell's folder)`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if len(words) > 2 and words[1] == "run-cell" and Path(words[2]).is_relative_to(folder):
            found.append((int(entry.name), parent, Path(words[2])))
    return found


def catch(folder, process, seen, patience=120.0):
    """Waits for a cell that is at work and is not in `seen`; returns its process, the parent, and its folder."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for own, parent, cell in cell_processes(folder):
            if cell not in seen and not (cell / "record.json").exists():
                return own, parent, cell
        assert process.poll() is None, f"the sweep ended before it could be disturbed:\n{process.stdout.read()}"
        time.sleep(0.02)
    raise AssertionError("no cell is at work")


def kill(*processes):
    """Kills processes of this test, without a chance to clean up."""
    for process in processes:
        os.kill(process, signal.SIGKILL)


def stamps(folder):
    """When each record was written, to the nanosecond."""
    return {path: path.stat().st_mtime_ns for path in Path(folder).glob("cells/*/record.json")}
