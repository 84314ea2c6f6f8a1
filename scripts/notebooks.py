"""Example notebooks as they are kept: ``python3 scripts/notebooks.py`` rewrites them.

Without what was run: no outputs, no numbers of executions, nothing of the machine that edited
them. So a difference is one that somebody wrote, and what a notebook shows is what it shows now: a
test executes each of them. Standard library only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "examples" / "notebooks"

#: Of any Python 3, whatever the kernel of the last editor was called.
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def paths() -> list[Path]:
    """Return the notebooks, in the order of their names."""
    return sorted(FOLDER.glob("*.ipynb"))


def kept(text: str) -> str:
    """Return a notebook's text as it is kept.

    Args:
        text: of a notebook of format 4.5, which has an id for each cell.

    Raises:
        ValueError: it is of another format.
    """
    notebook = json.loads(text)
    if (notebook.get("nbformat"), notebook.get("nbformat_minor")) != (4, 5):
        raise ValueError("a notebook of another format than 4.5: open and save it in JupyterLab 4")
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        cell["source"] = "".join(cell["source"]).strip("\n").splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    notebook["metadata"] = _METADATA
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Rewrite what differs, and name it."""
    for path in paths():
        before = path.read_text(encoding="utf-8")
        after = kept(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"rewrote {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
