"""Runs the cases on this kernel: ``python -m tests.beside FILE [TOOL…]`` writes what came of them.

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
    for case in CASES:
        if tools and case.tool not in tools:
            continue
        with case.work() as deed, closing(Worker(deed)) as worker:
            seen = side_by_side(case.tools, worker)
        found[case.tool] = [(one.name, one.counts, one.why) for one in seen]
        Path(file).write_text(json.dumps(found), encoding="utf-8")
        for one in seen:
            print(f"{case.tool}: {one.name}: {one.why or one.counts}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
