"""`slurm-array.sh`, started by a loop in place of Slurm: tasks share the cells, a killed one is sent again, and all cells are there once.

    experiments/recipes/test
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import testing

SCRIPT = testing.HERE / "slurm-array.sh"


def task(workbench, folder, **variables):
    """Starts a task of an array with these variables of Slurm."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    environment |= {"WORKBENCH": workbench, "POLL_SECONDS": "0.2"} | {name: str(value) for name, value in variables.items()}
    return subprocess.Popen([str(SCRIPT), str(folder)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def array(workbench, folder, tasks, first=1):
    """Starts every task of an array."""
    return [task(workbench, folder, SLURM_ARRAY_TASK_ID=first + number, SLURM_ARRAY_TASK_MIN=first, SLURM_ARRAY_TASK_COUNT=tasks, SLURM_CPUS_PER_TASK=1)
            for number in range(tasks)]


def codes(tasks):
    """Exit codes, and what was said."""
    outputs = [one.communicate(timeout=600)[0] for one in tasks]
    return [one.returncode for one in tasks], outputs


def refusals(workbench, folder):
    """What is wrong is said."""
    for variables, place, word in [({}, folder, "SLURM_ARRAY_TASK_ID"), ({"SLURM_ARRAY_TASK_ID": 0}, folder / "none", "no cells"),
                                   ({"SLURM_ARRAY_TASK_ID": 0, "WORKBENCH": "no-such-program"}, folder, "no such executable")]:
        (code,), (output,) = codes([task(workbench, place, **variables)])
        assert code == 1 and word in output, (code, output)
    (code,), (output,) = codes([task(workbench, folder, SLURM_ARRAY_TASK_ID=testing.CELLS + 5)])
    assert code == 0 and "no cell is left" in output, (code, output)
    (code,), (output,) = codes([task("false", folder, SLURM_ARRAY_TASK_ID=0)])
    assert code == 1, (code, output)


def main(workbench):
    with tempfile.TemporaryDirectory(prefix="slurm-sweep-") as scratch:
        scratch = Path(scratch).resolve()
        wanted = testing.plain_run(workbench, scratch)
        folder = scratch / "sweep"
        subprocess.run([workbench, "plan", str(testing.experiment(scratch)), "--export", str(folder)], check=True, stdout=subprocess.DEVNULL)
        refusals(workbench, folder)

        # Four tasks for nine cells; one task is killed with its cell, and the array is sent again.
        tasks = array(workbench, folder, 4)
        cell, parent, path = testing.catch(folder, tasks[0], set())
        testing.kill(parent, cell)
        print(f"killed a task at cell {path.name}", flush=True)
        done, outputs = codes(tasks)
        assert sorted(done) == [-9, 0, 0, 0], (done, outputs)
        missing = subprocess.run([workbench, "collect", str(folder)], stdout=subprocess.PIPE, text=True)
        assert missing.returncode == 4 and "MISSING" in missing.stdout, missing.stdout

        before = testing.stamps(folder)
        done, outputs = codes(array(workbench, folder, 4))
        assert done == [0] * 4, (done, outputs)
        after = testing.stamps(folder)
        assert len(after) == testing.CELLS and all(after[path] == stamp for path, stamp in before.items()), "a finished cell ran again"

        # One task per cell, all at once, all on the same finished cells: nothing is left to do.
        done, outputs = codes([task(workbench, folder, SLURM_ARRAY_TASK_ID=number) for number in range(testing.CELLS)])
        assert done == [0] * testing.CELLS and testing.stamps(folder) == after, (done, outputs)
        subprocess.run([workbench, "collect", str(folder)], check=True, stdout=subprocess.DEVNULL)
        testing.assert_complete(folder, wanted)
        print(f"ok: {testing.CELLS} cells, each once, the same as in a plain run")


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))
