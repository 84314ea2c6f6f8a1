"""``docs/beside.md``: our tools and their peers, on one workload at one time, in a machine."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.vm import headers, image, machine
from tests.vm.archive import VmError
from tests.vm.kernels import Row
from tests.vm.machine import Job
from tests.vm.suite import PYTHON, ROOT

_LIMIT_S = 3600
PAGE = """\
# Tools beside their peers

Each of our tools ran at the same time as those of the same name of BCC, libbpf-tools and bpftrace
(Debian 12's packages), on one workload with a known answer, on Linux {release} in an emulated
machine. Made by `make beside-page`; nothing here is filled in by hand. The workloads and what is
read of each output are in `tests/beside`.

{table}

## Why they differ

{notes}
"""


def run(row: Row, tools: list[str], page: Path | None) -> int:
    """Run the cases on a kernel, and write the page.

    Raises:
        VmError: there is no such machine.
    """
    kernel = image.get(row)
    tree = headers.get(kernel)
    with tempfile.TemporaryDirectory(prefix="pyebpf-beside-") as folder:
        file = Path(folder, "found.json")
        environment = {"PYTHONPATH": str(ROOT), "BCC_KERNEL_SOURCE": str(tree or "")}
        job = Job([PYTHON, "-m", "tests.beside", str(file), *tools], ROOT, (Path(folder),),
                  limit=_LIMIT_S, memory=3072, environment=environment)  # fmt: skip
        result = machine.run(kernel, job, sys.stdout.buffer, sys.stderr.buffer)
        if result.code or not file.exists():
            raise VmError(f"the tools did not run to their end on {kernel.release}")
        found = json.loads(file.read_text(encoding="utf-8"))
    notes = "\n".join(f"- `{case['tool']}`: {case['note']}" for case in found if case["note"])
    text = PAGE.format(release=kernel.release, table=table(found), notes=notes or "They do not.")
    if page is not None:
        page.write_text(text, encoding="utf-8")
    return 0


def table(found: list[dict[str, Any]]) -> str:
    """Return a row for each tool: what was done, and what each of them counted."""
    names = list(dict.fromkeys(name for case in found for name, _, _ in case["seen"]))
    out = io.StringIO()
    out.write(f"| tool | done | {' | '.join(names)} |\n{'|---' * (len(names) + 2)}|\n")
    for case in found:
        seen = {name: (counts, why) for name, counts, why in case["seen"]}
        cells = [_cell(case["expected"], *seen.get(name, (None, ""))) for name in names]
        out.write(f"| `{case['tool']}` | {_counts(case['expected'])} | {' | '.join(cells)} |\n")
    return out.getvalue()


def _cell(expected: dict[str, int], counts: dict[str, int] | None, why: str) -> str:
    if counts is None:
        return f"does not run: {why}".replace("|", "\\|") if why else "-"
    if counts == expected:
        return "the same"
    same = sum(counts.values()) == sum(expected.values())
    return f"{_counts(counts)}{' (as many)' if same else ''}"


def _counts(counts: dict[str, int]) -> str:
    if len(counts) > 3:
        return f"{sum(counts.values())} of {len(counts)} kinds"
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing"
