"""Runs an experiment's cells under Ray: on this machine with several workers, or on a cluster that is there.

    python ray_sweep.py rmsnorm-compare input.rows=16,64 --folder sweep --workers 3
    python ray_sweep.py rmsnorm-compare --folder /shared/sweep --address auto --cores 16

Ray schedules, and nothing here does: the workbench writes a folder per cell (`workbench plan --export`), one task runs one
cell (`workbench run-cell`), and `workbench collect` gathers the records. A cell whose worker dies is run again, up to `--retries` times; a cell
that is finished is left alone, so the same command goes on after an interrupt. On a cluster, the folder, the data and the executable must lie
at the same paths on every machine.

Exit codes: those of `workbench collect` (0 all is well, 3 a limit was missed, 4 some cell failed or is missing), 1 if the plan fails, 130 if
stopped.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

# Ray reads its settings when it is imported. No usage statistics leave the machine.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray  # noqa: E402

# Exit codes of `workbench run-cell`.
OK, LIMIT_MISSED, FAILED, BUSY = 0, 3, 4, 5
POLL_SECONDS = 1.0


class CellDied(Exception):
    """The process that ran a cell was ended by a signal, or left no record."""


def run(command, **options):
    """Runs a command. Where Ray's settings make a process ignore the ends of its children, the command would inherit that, and an
    exit code would be lost: Python then takes it for 0."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return subprocess.run(command, stdin=subprocess.DEVNULL, text=True, **options)


def run_cell(workbench, folder, threads, jobs):
    """Runs one cell in a process of its own; returns its exit code and last lines. Raises `CellDied` if it was killed."""
    environment = dict(os.environ)
    environment.setdefault("RAYON_NUM_THREADS", str(threads))
    command = [workbench, "run-cell", folder, "--jobs", str(jobs)]
    while True:
        done = run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != BUSY:
            break
        # A worker that was killed may have left the cell's process behind: it holds the lock, will finish the cell, and
        # has a time limit of its own. Then the cell is found finished, or run here.
        time.sleep(POLL_SECONDS)
    if done.returncode < 0:
        raise CellDied(f"{folder}: signal {-done.returncode}")
    if done.returncode in (OK, LIMIT_MISSED, FAILED) and not (Path(folder) / "record.json").exists():
        raise CellDied(f"{folder}: there is no record")
    return done.returncode, done.stdout.strip()[-2000:]


def plan(workbench, arguments, folder):
    """Exports the cells; returns their folders."""
    command = [workbench, "plan", *arguments, "--export", str(folder)]
    done = run(command, stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(1)
    return done.stdout.split("\n")[:-1]


def duration(seconds):
    """`1 h 02 min`, `3 min 20 s`, `12 s`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def watch(tasks):
    """Waits for all tasks and tells how each ended; returns how many could not be run."""
    start, pending, broken = time.monotonic(), list(tasks), 0
    while pending:
        (ready,), pending = ray.wait(pending, num_returns=1)
        cell = Path(tasks[ready]).name
        try:
            code, text = ray.get(ready)
            word = {OK: "ok", LIMIT_MISSED: "ok, a limit missed", FAILED: "FAILED"}.get(code, f"cannot be run (exit code {code})")
        except (ray.exceptions.RayError, CellDied) as failure:
            code, text, word = None, str(failure).strip(), "lost: the last attempt died"
        broken += code not in (OK, LIMIT_MISSED, FAILED)
        finished, elapsed = len(tasks) - len(pending), time.monotonic() - start
        left = f", about {duration(elapsed / finished * len(pending))} left" if pending else f" in {duration(elapsed)}"
        print(f"[{finished}/{len(tasks)}] {cell}: {word}{left}", flush=True)
        if code not in (OK, LIMIT_MISSED):
            print("    " + text.replace("\n", "\n    "), flush=True)
    return broken


def connect(options):
    """Starts Ray here or joins a cluster; returns CPUs per task, threads of a cell, and cells at a time on a machine."""
    cores = os.cpu_count() or 1
    quiet = {"log_to_driver": False, "logging_level": "error"}
    if options.address:
        ray.init(address=options.address, **quiet)
        per_machine = [int(node["Resources"].get("CPU", 0)) // options.cores for node in ray.nodes() if node["Alive"]]
        if not any(per_machine):
            sys.exit(f"no machine of the cluster has {options.cores} CPUs: choose a smaller --cores")
        return options.cores, options.cores, max(per_machine)
    # Everything that the tasks share is a few strings.
    ray.init(address="local", num_cpus=options.workers, include_dashboard=False, object_store_memory=80 * 1024 * 1024, **quiet)
    return 1, max(1, cores // options.workers), options.workers


def positive(text):
    """A whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", nargs="+", help="the experiment and its overrides, as for `workbench plan`")
    parser.add_argument("--folder", type=Path, required=True, help="the run's folder; it may hold an earlier attempt of the same cells")
    parser.add_argument("--workers", type=positive, default=max(1, (os.cpu_count() or 2) // 2), help="cells at a time on this machine [default: %(default)s]")
    parser.add_argument("--address", help="a running Ray cluster (`auto`, or HOST:PORT) in place of this machine")
    parser.add_argument("--cores", type=positive, default=2, help="CPUs for a cell on a cluster [default: %(default)s]; as many as a machine has measures undisturbed")
    parser.add_argument("--retries", type=int, default=3, help="how often a cell is run again whose process or worker died [default: %(default)s]")
    parser.add_argument("--workbench", default=os.environ.get("WORKBENCH", "workbench"), help="the executable [default: the variable WORKBENCH, or `workbench` on the PATH]")
    return parser.parse_args()


def main():
    options = arguments()
    workbench = shutil.which(options.workbench)
    if workbench is None:
        sys.exit(f"{options.workbench}: no such executable: `cargo install --path experiments/workbench`, or name one with --workbench")
    workbench = str(Path(workbench).resolve())
    cells = plan(workbench, options.experiment, options.folder)
    cpus, threads, jobs = connect(options)
    # Tasks that fail with an exception other than a killed process are not repeated: they would fail again.
    task = ray.remote(num_cpus=cpus, max_retries=options.retries, retry_exceptions=[CellDied])(run_cell)
    try:
        broken = watch({task.remote(workbench, cell, threads, jobs): cell for cell in cells})
    except KeyboardInterrupt:
        print("stopped: finished cells are kept, and the same command goes on", file=sys.stderr)
        return 130
    finally:
        ray.shutdown()
    collected = run([workbench, "collect", str(options.folder)]).returncode
    return collected or (FAILED if broken else OK)


if __name__ == "__main__":
    sys.exit(main())
