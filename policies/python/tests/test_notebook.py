"""The notebook runs from its first cell to its last, and what is committed of its output is small.

`python tests/test_notebook.py` executes it anew and keeps the outputs.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from conftest import PROGRAM, ROOT
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

NOTEBOOK = ROOT / "policies/python/examples/quickstart.ipynb"


def execute(folder: Path) -> nbformat.NotebookNode:
    """Executed in `folder`, by this interpreter whatever kernels the user has installed."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    spec = f'{{"argv": ["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"], '
    kernel = folder / "kernels/ours"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(spec + '"display_name": "ours", "language": "python"}')
    client = NotebookClient(notebook, timeout=300, kernel_name="ours", record_timing=False)
    client.resources = {"metadata": {"path": str(folder)}}
    client.create_kernel_manager()
    client.km.kernel_spec_manager = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
    return client.execute()


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAREN", str(PROGRAM))
    # An empty place for the kernel's own files, and no fonts to build a cache of in the user's.
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = execute(tmp_path)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(output.get("text", "") for output in outputs)
    assert "40 episodes, all as the command wrote them" in said
    assert "transformer: " in said
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_the_committed_outputs_are_small_and_whole() -> None:
    assert NOTEBOOK.stat().st_size < 100_000
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert all(output.output_type != "error" for output in outputs)


if __name__ == "__main__":
    os.environ["AAREN"] = str(PROGRAM)
    with tempfile.TemporaryDirectory() as temporary:
        executed = execute(Path(temporary))
    executed.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(executed, NOTEBOOK)
