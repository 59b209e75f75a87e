"""A sweep under Ray with three workers, disturbed three times, ends as an undisturbed run does.

    experiments/recipes/test
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import testing


def sweep(workbench, experiment, folder):
    """Starts the sweep."""
    command = [sys.executable, str(testing.HERE / "ray_sweep.py"), str(experiment), "--folder", str(folder), "--workers", "3", "--workbench", workbench]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def main(workbench):
    with tempfile.TemporaryDirectory(prefix="ray-sweep-") as scratch:
        scratch = Path(scratch).resolve()
        wanted = testing.plain_run(workbench, scratch)
        folder = scratch / "sweep"
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
