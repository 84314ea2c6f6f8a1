"""Execute a notebook in a real kernel: ``python -m tests.notebooks.execute NOTEBOOK RESULT``.

A process of its own: what nbclient and its sockets warn of is no matter of the tests, and it is
ended, with the kernel, when it takes too long.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

#: For each cell. Seconds.
PATIENCE_S = 120


def main(notebook: str, result: str) -> None:
    """Write the notebook with what its cells gave; an error of one ends it."""
    read = nbformat.read(notebook, as_version=4)
    where = {"metadata": {"path": str(Path(result).parent)}}
    NotebookClient(read, timeout=PATIENCE_S, kernel_name="python3", resources=where).execute()
    nbformat.write(read, result)


if __name__ == "__main__":
    main(*sys.argv[1:])
