"""``docs/kinds-on-kernels.md``: how far a program of each kind comes, here and on other kernels."""

from __future__ import annotations

import io
import json
import platform
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from scripts.archive import SetupError
from tests.kinds.case import BY_OTHER_MEANS, STEPS, Outcome
from tests.vm import image, machine
from tests.vm.kernels import Row
from tests.vm.machine import Job
from tests.vm.page import together
from tests.vm.suite import AT_ONCE
from tests.vm.userspace import PYTHON, ROOT

_WORDS = (PYTHON, "-m", "tests.kinds")
#: For all kinds on one kernel, in seconds.
_LIMIT_S = 900
PAGE = """\
# Kinds of programs on kernels

A small program of each kind that has a decorator, run on this machine's kernel and on those of
`tests/vm/kernels.py`. Made by `make kinds-page`; nothing here is filled in by hand. The programs
are in `tests/kinds`, and are tests of every run, too (`tests/kernel/test_kinds.py`).

A cell says how far the program came: **C**ompiled, **V**erified (the kernel has loaded it),
**A**ttached, **F**ired: it ran when it should, as often as it should, on the right data. What a
cell lacks, a probe of the kernel explains [below](#why-not); nothing here looks at versions.

{releases}

## Kinds

{table}

## Why not

{reasons}

## By other means

Kinds that the kernel lacks, whose programs run there all the same: pyebpf attaches them in a way
that the kernel has.

{others}
"""


class Ran(NamedTuple):
    """What came of all kinds on one kernel.

    Attributes:
        name: of the row; ``this`` is the running kernel.
        release: of the kernel.
        outcomes: one for each kind.
    """

    name: str
    release: str
    outcomes: tuple[Outcome, ...]


def test(rows: Sequence[Row], page: Path | None) -> int:
    """Run all kinds here and on rows, and print the table; return 0 when nothing is wrong."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ran = [_here(), *pool.map(_there, rows)]
    text = render(ran)
    print(text)
    wrong = [(one.name, o.kind, o.wrong) for one in ran for o in one.outcomes if o.wrong]
    for name, kind, problem in wrong:
        print(f"FAILED {kind} on {name}: {problem}")
    for kind in nowhere(ran):
        print(f"FAILED {kind} fires nowhere")
    if page is not None and not wrong:
        page.write_text(text, encoding="utf-8")
    return int(bool(wrong) or bool(nowhere(ran)))


def _here() -> Ran:
    done = subprocess.run(_WORDS, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    return Ran("this", platform.release(), tuple(_outcomes(done.stdout)))


def _there(row: Row) -> Ran:
    kernel, told = image.get(row), io.BytesIO()
    job = Job(_WORDS, ROOT, limit=_LIMIT_S, environment={"PYTHONPATH": str(ROOT)})
    result = machine.run(kernel, job, told)
    outcomes = tuple(_outcomes(told.getvalue()))
    if not outcomes:
        raise SetupError(f"{row.name}: ended with {result.code} and told nothing\n{result.console}")
    slowest = sorted(outcomes, key=lambda one: -one.seconds)[:8]
    told_slowest = ", ".join(f"{one.kind} {one.seconds:.1f} s" for one in slowest)
    print(
        f"{row.name}: {len(outcomes)} kinds in {result.seconds:.0f} s; {told_slowest}", flush=True
    )
    return Ran(row.name, kernel.release, outcomes)


def _outcomes(lines: bytes) -> Iterator[Outcome]:
    for line in lines.splitlines():
        fields = json.loads(line)
        yield Outcome(**{**fields, "reached": tuple(fields["reached"])})


def nowhere(ran: Sequence[Ran]) -> list[str]:
    """Name the kinds that fire on none of the kernels."""
    fired = {o.kind for one in ran for o in one.outcomes if "fired" in o.reached}
    return [o.kind for o in ran[0].outcomes if o.kind not in fired]


def render(ran: Sequence[Ran]) -> str:
    """Return the page."""
    releases = [f"- {one.name}: Linux {one.release}" for one in ran]
    releases[0] = f"- this: the machine that made the page, Linux {_series(ran[0].release)}"
    return PAGE.format(
        releases="\n".join(releases),
        table="\n".join(_table(ran)),
        reasons="\n".join(together(_reasons(ran, by_other_means=False))),
        others="\n".join(together(_reasons(ran, by_other_means=True))),
    )


def _series(release: str) -> str:
    return ".".join(release.split(".")[:2])


def _table(ran: Sequence[Ran]) -> Iterator[str]:
    yield f"| kind | {' | '.join(one.name for one in ran)} |"
    yield "|---" * (len(ran) + 1) + "|"
    by_kernel = [{o.kind: o for o in one.outcomes} for one in ran]
    for outcome in ran[0].outcomes:
        cells = [cell(found[outcome.kind]) for found in by_kernel]
        yield f"| `{outcome.kind}` | {' | '.join(cells)} |"


def cell(outcome: Outcome) -> str:
    """Return a letter for each step, and a dot for each that was not reached."""
    return "".join(step[0].upper() if step in outcome.reached else "·" for step in STEPS)


def _reasons(ran: Sequence[Ran], *, by_other_means: bool) -> Iterator[tuple[str, str, str]]:
    """Say kernel, kind and reason of those that do not run, or of those that do by other means."""
    for one in ran:
        for outcome in one.outcomes:
            text = " ".join((outcome.wrong or outcome.reason).split())
            if text and text.startswith(BY_OTHER_MEANS) is by_other_means:
                # Without what the line says already.
                text = text.removeprefix(BY_OTHER_MEANS).removeprefix(f"prog:{outcome.kind}: ")
                yield one.name, outcome.kind, text
