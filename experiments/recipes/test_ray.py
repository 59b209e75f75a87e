"""A sweep under Ray with three workers, stopped once and then disturbed three times, ends as an undisturbed run does.

    experiments/recipes/test
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import testing


def sweep(workbench, experiment, folder):
    """Starts the sweep."""
    command = [sys.executable, str(testing.HERE / "ray_sweep.py"), str(experiment), "--folder", str(folder), "--workers", "3", "--workbench", workbench]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def interrupt(workbench, experiment, folder):
    """Stops a sweep as Ctrl-C does: it says so, and no cell runs on."""
    process = sweep(workbench, experiment, folder)
    testing.catch(folder, process, set())
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and "stopped" in output, (process.returncode, output)
    deadline = time.monotonic() + 30
    while testing.cell_processes(folder):
        assert time.monotonic() < deadline, "a cell runs on"
        time.sleep(0.1)
    print("stopped once", flush=True)


def main(workbench):
    with tempfile.TemporaryDirectory(prefix="ray-sweep-") as scratch:
        scratch = Path(scratch).resolve()
        wanted = testing.plain_run(workbench, scratch)
        folder = scratch / "sweep"
        interrupt(workbench, testing.experiment(scratch), folder)
        process = sweep(workbench, testing.experiment(scratch), folder)

        seen = set()
        disturbances = [
            ("a worker and its cell's process", lambda cell, worker: testing.kill(worker, cell)),
            ("a worker alone", lambda _, worker: testing.kill(worker)),
            ("a cell's process alone", lambda cell, _: testing.kill(cell)),
        ]
        for what, disturb in disturbances:
            cell, worker, path = testing.catch(folder, process, seen)
            assert worker not in (os.getpid(), process.pid), "the cell's parent is a worker of Ray"
            seen.add(path)
            disturb(cell, worker)
            print(f"killed {what}, at cell {path.name}", flush=True)
        output, _ = process.communicate(timeout=600)
        print(output)
        assert process.returncode == 0, f"exit code {process.returncode}"
        assert f"[{testing.CELLS}/{testing.CELLS}]" in output and "left" in output, "progress with time left"
        testing.assert_complete(folder, wanted)

        before = testing.stamps(folder)
        again = sweep(workbench, testing.experiment(scratch), folder)
        output, _ = again.communicate(timeout=600)
        assert again.returncode == 0, output
        assert testing.stamps(folder) == before, "a finished cell ran again"
        testing.assert_complete(folder, wanted)
        print(f"ok: {testing.CELLS} cells, each once, the same as in a plain run")


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))
