"""Executes notebooks from the top, in the folder they lie in, and writes them with their outputs, as HTML, and their pictures.

A cell that raises, writes to the standard error or prints a path of this machine is an error; the outputs that are
there are written all the same, so that one can look. `run` calls this in the environment that it made.
"""

import argparse
import base64
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter

HERE = Path(__file__).resolve().parent


def execute(path, timeout, runtime):
    """The executed notebook and what is wrong with it."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", record_timing=False, resources={"metadata": {"path": str(HERE)}})
    # The kernel is spoken to through files, which nobody else can open, and not through the machine's network.
    manager = client.create_kernel_manager()
    manager.transport, manager.ip = "ipc", f"{runtime}/kernel"
    faults = []
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as failure:
        faults.append(str(failure).strip())
    # What differs from one interpreter to the next says nothing about the results.
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    silent = [number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.execution_count is None]
    if silent and not faults:
        faults.append(f"cells that were not executed: {silent}")
    return notebook, faults + [fault for number, cell in enumerate(notebook.cells) for fault in inspect(number, cell)]


def inspect(number, cell):
    """What is wrong with the outputs of a cell that ran."""
    if cell.cell_type != "code":
        return
    for output in cell.outputs:
        if output.get("name") == "stderr":
            yield f"cell {number} wrote to the standard error: {output.text.strip()}"
        texts = [output.get("text", ""), *(text for kind, text in output.get("data", {}).items() if kind.startswith("text/"))]
        private = {str(HERE.parent.parent), str(Path.home())} - {"/"}
        if any(path in text for path in private for text in texts):
            yield f"cell {number} shows a path of this machine"


def page(notebook, title):
    """The notebook as one HTML file that loads nothing."""
    exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="", mermaid_layout_elk_js_url="")
    return exporter.from_notebook_node(notebook, {"metadata": {"name": title}})[0]


def figures(notebook, stem, folder):
    """Writes the notebook's pictures as `<stem>-<number>.png`."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    for number, picture in enumerate(pictures, 1):
        (folder / f"{stem}-{number}.png").write_bytes(base64.b64decode(picture))


def main():
    parser = argparse.ArgumentParser(prog="notebooks-data/notebooks/run", description=__doc__)
    parser.add_argument("notebooks", nargs="*", help="their names; all of them if none is given")
    parser.add_argument("--update", action="store_true", help="replace the outputs in the notebooks themselves too")
    parser.add_argument("--out", type=Path, default=HERE.parent.parent / "target/notebooks", help="the folder for what comes out")
    parser.add_argument("--timeout", type=int, default=600, help="seconds for one cell")
    options = parser.parse_args()
    paths = [HERE / name for name in options.notebooks] or sorted(HERE.glob("*.ipynb"))
    missing = [path.name for path in paths if not path.is_file()]
    if missing or not paths:
        sys.exit(f"no such notebook: {', '.join(missing) or 'there are none'}")
    options.out.mkdir(parents=True, exist_ok=True)

    failed = []
    for path in paths:
        # A short path: names of sockets have at most a hundred characters.
        with tempfile.TemporaryDirectory(prefix="notebook-", dir="/tmp") as runtime:
            os.environ["JUPYTER_RUNTIME_DIR"] = runtime
            notebook, faults = execute(path, options.timeout, runtime)
        executed = options.out / path.name
        nbformat.write(notebook, executed)
        executed.with_suffix(".html").write_text(page(notebook, path.stem), encoding="utf-8")
        figures(notebook, path.stem, options.out)
        if options.update and not faults:
            nbformat.write(notebook, path)
        print(f"{'FAILED' if faults else 'ok':7}{path.name}: {executed}, {executed.with_suffix('.html').name}")
        for fault in faults:
            print(f"       {fault}", file=sys.stderr)
        failed += [path.name] if faults else []
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
