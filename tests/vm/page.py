"""``docs/kernels.md``: what each kernel can do, and what the tests said on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tests.vm.outcome import Answers, Outcome

PAGE = """\
# Kernels

What stock Debian kernels can do, and what the tests of this repository that load programs say on
them: those of `tests/vm/kernels.py`, booted in an emulator. Written by `make kernels-page`; nothing
here is filled in by hand.

## Tests

{tests}

## Kinds of programs

A kind is there when a program of it loads. Empty: the kernel refused it, and [below](#why-not) is
what it said.

{programs}

## Kinds of maps and other features

{features}

## Why not

{reasons}

## What the tests leave out, and why

{skipped}
"""


def render(outcomes: Sequence[Outcome]) -> str:
    """Return the page with what came of rows."""
    return PAGE.format(
        tests=_tests(outcomes),
        programs=_table(outcomes, "prog:", "kind of program"),
        features=_table(outcomes, "", "feature"),
        reasons="\n".join(_reasons(outcomes)),
        skipped="\n".join(_skipped(outcomes)).strip(),
    )


def _tests(outcomes: Sequence[Outcome]) -> str:
    rows = [
        f"| {o.row.name}: {o.row.why} | {o.release} | {o.passed} | {len(o.failed)} | {o.expected} "
        f"| {sum(count for _, count in o.skipped)} |"
        for o in outcomes
    ]
    head = ["| row | Linux | passed | failed | known to fail | skipped |", "|---" * 6 + "|"]
    return "\n".join([*head, *rows])


def _names(outcomes: Sequence[Outcome], prefix: str) -> list[str]:
    """List what was asked, of one family: the one with a prefix, or all others."""
    asked = {name: None for o in outcomes for name in o.answers}
    return [n for n in asked if n.startswith("prog:") == bool(prefix)]


def _table(outcomes: Sequence[Outcome], prefix: str, what: str) -> str:
    lines = [
        f"| {what} | {' | '.join(o.row.name for o in outcomes)} |",
        "|---" * (len(outcomes) + 1) + "|",
    ]
    for name in _names(outcomes, prefix):
        cells = [_cell(o.answers, name) for o in outcomes]
        lines.append(f"| `{name.removeprefix(prefix)}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(answers: Answers, name: str) -> str:
    support, _ = answers.get(name, ("", ""))
    return {"yes": "yes", "no": ""}.get(support, "?")


def _reasons(outcomes: Sequence[Outcome]) -> Iterator[str]:
    return together(
        (outcome.row.name, name.removeprefix("prog:"), reason)
        for outcome in outcomes
        for name, (support, reason) in outcome.answers.items()
        if support != "yes"
    )


def together(reasons: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Say of each reason which kernels gave it of what: the newest that lack something first.

    Args:
        reasons: kernel, what it lacks, why.
    """
    told: dict[tuple[str, str], list[str]] = {}
    for row, name, reason in reasons:
        told.setdefault((name, reason), []).append(row)
    same: dict[tuple[str, str], list[str]] = {}
    for (name, reason), rows in told.items():
        same.setdefault((", ".join(rows), reason), []).append(name)
    for (rows, reason), names in sorted(same.items(), key=lambda item: -len(item[0][0])):
        yield f"- {', '.join(f'`{name}`' for name in names)} on {rows}: {reason}"


def _skipped(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        yield f"### On {outcome.row.name}\n"
        yield from (f"- {count}: {reason}" for reason, count in outcome.skipped)
        if not outcome.skipped:
            yield "Nothing."
        yield ""
