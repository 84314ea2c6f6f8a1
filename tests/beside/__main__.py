"""Runs the cases on this kernel: ``python -m tests.beside FILE [TOOL…]`` writes what came of them.

All of the system is traced: it is for a machine that was made for that.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyebpf.host.loop import LoopDevice
from tests.beside.cases import CASES
from tests.beside.contest import side_by_side


def main(words: list[str]) -> int:
    """Run the cases and write JSON."""
    file, *tools = words
    found = []
    for case in CASES:
        if tools and case.tool not in tools:
            continue
        with LoopDevice() as disk:
            seen = side_by_side((case.ours, *case.peers), lambda: case.work(disk))  # noqa: B023
        found.append(
            {
                "tool": case.tool,
                "expected": case.expected,
                "note": case.note,
                "seen": [(one.name, one.counts, one.why) for one in seen],
            }
        )
        for one in seen:
            print(f"{case.tool}: {one.name}: {one.why or one.counts}", flush=True)
    Path(file).write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
