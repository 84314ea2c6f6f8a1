"""What this kernel's verifier says of wrong programs: ``python -m tests.kernel.keep_logs FOLDER``.

``python -m tests.vm logs`` does so on each kernel; ``tests/unit/test_verifier_kernels.py`` reads
what was kept.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from tests.kernel import damaged, refused

#: Of a log that is longer, what is kept.
LOG_TAIL = 6000


def keep(folder: Path) -> None:
    """Write a log for each program, and the lines of the source of those that have any."""
    folder.mkdir(parents=True, exist_ok=True)
    logs, lines = {}, {}
    with refused.maps() as fds:
        for name in refused.BAD:
            logs[name] = refused.refusal_of(name, fds)
    for name in damaged.CASES:
        found = damaged.refused(name)
        logs[name] = found.error.log or ""
        lines[name] = [[row.insn, row.line, row.column, row.text] for row in found.program.lines]
    for path in folder.glob("*.log"):
        path.unlink()
    for name, log in logs.items():
        if log:
            (folder / f"{name}.log").write_text(_without_addresses(log[-LOG_TAIL:]))
        else:
            print(f"{name}: not refused", file=sys.stderr)
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(made)}" for name, made in lines.items())
    (folder / "lines.json").write_text(f"{{\n{rows}\n}}\n")


def _without_addresses(log: str) -> str:
    return re.sub(r"0xffff[0-9a-f]{12}", "0xffff888000000000", log)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
