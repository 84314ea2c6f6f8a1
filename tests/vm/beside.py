"""``docs/beside.md``: our tools and their peers, on one workload at one time, in a machine."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.archive import SetupError
from tests.beside.cases import CASES, Case
from tests.beside.contest import Counts
from tests.beside.peers import NAMES
from tests.vm import headers, image, machine
from tests.vm.kernels import Row
from tests.vm.machine import Job
from tests.vm.userspace import PYTHON, ROOT

FOUND = ROOT / "tests/data/beside.json"
PAGE = """\
# Tools beside their peers

Each of our tools ran at the same time as those of the same name of BCC, libbpf-tools and bpftrace
(Debian 12's packages), on one workload with a known answer, on Linux {release} in an emulated
machine. Made by `make beside-page`; nothing here is filled in by hand. The workloads and what is
read of each output are in `tests/beside`. A tool that others lack, or that cannot be asked for
the workload alone, has no cell.

{table}

## Why they differ

{notes}
"""


#: What tools counted, by their names: (whose, counts or None, why it did not run).
Found = dict[str, list[tuple[str, dict[str, int] | None, str]]]


def run(row: Row, tools: list[str], page: Path | None, limit: float) -> int:
    """Run the cases on a kernel, and write the page.

    Of tools that were not asked for, it says what was found on this release when they last were.

    Raises:
        ValueError: there is no such tool.
        SetupError: there is no such machine, or not all was done in time; what was is in the page.
    """
    if unknown := set(tools) - {case.tool for case in CASES}:
        raise ValueError(f"nothing is beside {', '.join(sorted(unknown))}")
    kernel = image.get(row)
    tree = headers.get(kernel)
    with tempfile.TemporaryDirectory(prefix="pyebpf-beside-") as folder:
        file = Path(folder, "found.json")
        environment = {"PYTHONPATH": str(ROOT), "BCC_KERNEL_SOURCE": str(tree or "")}
        job = Job([PYTHON, "-m", "tests.beside", str(file), *tools], ROOT, (Path(folder),),
                  limit=limit, memory=3072, environment=environment)  # fmt: skip
        try:
            code = machine.run(kernel, job, sys.stdout.buffer, sys.stderr.buffer).code
        except machine.LimitError:
            code = machine.TIMED_OUT
        found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if page is not None:
        write(page, kernel.release, found)
    if code:
        raise SetupError(f"the tools did not run to their end on {kernel.release}: {code}")
    return 0


def write(page: Path, release: str, found: Found) -> None:
    """Keep what was found, and write the page with all that is known of this release."""
    before, known = kept()
    known = found if before != release else {**known, **found}
    known = {case.tool: known[case.tool] for case in CASES if case.tool in known}
    rows = ",\n".join(f"  {json.dumps(tool)}: {json.dumps(seen)}" for tool, seen in known.items())
    text = f'{{\n "release": {json.dumps(release)},\n "found": {{\n{rows}\n }}\n}}\n'
    FOUND.write_text(text, encoding="utf-8")
    page.write_text(written(release, known), encoding="utf-8")


def kept() -> tuple[str, Found]:
    """Return the release of the kernel, and what was found on it."""
    if not FOUND.exists():
        return "", {}
    read = json.loads(FOUND.read_text(encoding="utf-8"))
    return read["release"], read["found"]


def written(release: str, found: Found) -> str:
    """Return the page."""
    cases = [case for case in CASES if case.tool in found]
    notes = "\n".join(f"- `{case.tool}`: {case.note}" for case in cases if case.note)
    return PAGE.format(release=release, table=table(cases, found), notes=notes)


def table(cases: Sequence[Case], found: Found) -> str:
    """Return a row for each tool: what was done, and what each of them counted."""
    out = io.StringIO()
    out.write(f"| tool | done | {' | '.join(NAMES)} |\n{'|---' * (len(NAMES) + 2)}|\n")
    for case in cases:
        seen = {name: (counts, why) for name, counts, why in found[case.tool]}
        cells = [_cell(case.expected, *seen.get(name, (None, ""))) for name in NAMES]
        out.write(f"| `{case.tool}` | {_counts(case.expected)} | {' | '.join(cells)} |\n")
    return out.getvalue()


def _cell(expected: Counts, counts: Counts | None, why: str) -> str:
    if counts is None:
        return f"does not run: {why}".replace("|", "\\|") if why else "-"
    if counts == expected:
        return "the same"
    same = sum(counts.values()) == sum(expected.values())
    return f"{_counts(counts)}{' (as many)' if same else ''}"


def _counts(counts: Counts) -> str:
    if len(counts) > 3:
        return f"{sum(counts.values())} of {len(counts)} kinds"
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing"
