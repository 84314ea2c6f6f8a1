"""The example notebooks: as they are kept, and executed by a real kernel on what they make."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import notebooks
from tests.notebooks import jupyter

jupyter.needs("nbclient", "ipykernel")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed (make setup)")

ROOT = notebooks.ROOT
#: What the last cell of each says when its numbers are those of its own workload.
SAYS = {
    "anomaly": "16 slow turns and 984 others, as they were made",
    "block_io_latency": "260 reads seen, 260 made",
    "data_loader": "500 samples: 500 files opened one by one, 1 when they are packed",
    "python_service": " made",
    "tcp_sessions": "66 connections seen, 66 made; 1140 bytes received, 1140 sent",
}
#: How many of their outputs are drawings, at least.
DRAWINGS = {
    "anomaly": 2,
    "block_io_latency": 4,
    "data_loader": 1,
    "python_service": 2,
    "tcp_sessions": 2,
}
_MACHINE = re.compile(r"/(home|root|tmp|mnt|Users|var|opt)/")
PATHS = notebooks.paths()


def test_each_notebook_is_listed_and_executed() -> None:
    names = [path.stem for path in PATHS]
    assert names == sorted(SAYS) == sorted(DRAWINGS)
    listed = (ROOT / "examples/README.md").read_text(encoding="utf-8")
    assert all(f"(notebooks/{name}.ipynb)" in listed for name in names)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_is_kept_without_what_was_run(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    nbformat.validate(nbformat.reads(text, as_version=4))
    assert text == notebooks.kept(text), "make notebooks"
    assert not _MACHINE.search(text)
    cells = json.loads(text)["cells"]
    assert cells[0]["cell_type"] == "markdown"
    assert cells[0]["source"][0].startswith("# ")


def test_what_was_run_is_taken_out() -> None:
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "mine", "display_name": "Mine"}}
    )
    cell = nbformat.v4.new_code_cell("1 + 1\n", execution_count=7, metadata={"collapsed": True})
    cell.outputs = [nbformat.v4.new_output("stream", text="2\n")]
    notebook.cells = [nbformat.v4.new_markdown_cell("# Two"), cell]
    once = notebooks.kept(nbformat.writes(notebook))
    assert notebooks.kept(once) == once
    nbformat.validate(nbformat.reads(once, as_version=4))
    kept = json.loads(once)["cells"][1]
    assert (kept["source"], kept["outputs"], kept["execution_count"], kept["metadata"]) == (
        ["1 + 1"],
        [],
        None,
        {},
    )
    assert "mine" not in once


def executed(path: Path, folder: Path) -> list[dict[str, Any]]:
    """Execute a notebook; return its cells with their outputs."""
    result = folder / path.name
    words = [sys.executable, "-m", "tests.notebooks.execute", str(path), str(result)]
    where = jupyter.environment(folder)
    try:
        done = subprocess.run(
            words, cwd=ROOT, env=where, capture_output=True, text=True, timeout=600, check=False
        )
    finally:
        stray = jupyter.left(folder)
    assert done.returncode == 0, done.stderr
    assert not stray
    cells: list[dict[str, Any]] = json.loads(result.read_text(encoding="utf-8"))["cells"]
    return cells


@pytest.mark.kernel
@pytest.mark.exact
@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_runs_and_counts_what_it_made(path: Path, tmp_path: Path) -> None:
    cells = executed(path, tmp_path)
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert not ["".join(one["text"]) for one in outputs if one.get("name") == "stderr"]
    data = [one.get("data", {}) for one in outputs]
    drawn = [one for one in data if "image/svg+xml" in one or "text/html" in one]
    assert len(drawn) >= DRAWINGS[path.stem]
    (said,) = cells[-1]["outputs"]
    assert SAYS[path.stem] in "".join(said["text"])
