"""Runs the cases on this kernel: ``python -m tests.beside FILE [TOOL…]`` writes what came of them.

Those of the tools that are given, in that order, or all.
All of the system is traced: it is for a machine that was made for that.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path

from tests.beside.cases import CASES
from tests.beside.contest import side_by_side
from tests.beside.work import Worker


def main(words: list[str]) -> int:
    """Run the cases and write JSON."""
    file, *tools = words
    found = {}
    known = {case.tool: case for case in CASES}
    for case in [known[tool] for tool in tools] or CASES:
        with case.work() as deed, closing(Worker(deed)) as worker:
            seen = side_by_side(case.tools, worker)
        found[case.tool] = [(one.name, one.counts, one.why) for one in seen]
        Path(file).write_text(json.dumps(found), encoding="utf-8")
        for one in seen:
            print(f"{case.tool}: {one.name}: {one.why or one.counts}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
