"""The command ``pyebpf doctor``: what this machine can do, and what to do about the rest."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from pyebpf import colour
from pyebpf.cli import output
from pyebpf.cli.commands import Arguments, option
from pyebpf.cli.options import UsageError
from pyebpf.cli.tool import FAILED
from pyebpf.doctor import Cause, Word, survey
from pyebpf.doctor.machine import Machine
from pyebpf.doctor.settings import user
from pyebpf.progress import doing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyebpf.doctor import Finding, Group, Survey

_ABOUT = """\
Say what this machine can do, feature by feature: what its kernel knows, what this process may do,
what is mounted. Everything is tried or read, nothing is concluded from a version, and nothing stays
in the kernel.

yes  it works here
no   it does not: the reason stands beside it, and what to do about it below
?    the kernel did not say: most often a capability is missing
-    a setting, and its value
"""
_OPTIONS = (
    option("-v", "--verbose", help="a line for each kind of program, of map, each helper"),
    option("-j", "--json", help="print JSON: one object"),
)
_EXAMPLES = """
pyebpf doctor               # without root: what cannot be told is said
sudo pyebpf doctor          # everything
sudo pyebpf doctor -v       # each kind of program and map, and each helper
sudo pyebpf doctor -j | jq '.groups[].features[] | select(.answer=="no")'
"""
ARGUMENTS = Arguments(
    "doctor",
    _ABOUT,
    _OPTIONS,
    _EXAMPLES,
    done="a tracing program can be loaded and attached here",
    failed="none can",
)
#: A line is no longer, unless the terminal is narrower.
_WIDTH = 100


def run(argv: list[str]) -> int:
    """Run the command and return its exit code: 1 if no tracing program can run.

    Raises:
        UsageError: the arguments make no sense.
    """
    given = ARGUMENTS.read(argv)
    if "h" in given:
        output.write(ARGUMENTS.help())
        return 0
    if given.words:
        raise UsageError(f"{given.words[0]!r} is one argument too many")
    with doing("asking the kernel"):
        found = survey(Machine())
    if "j" in given:
        output.write(json.dumps(_as_data(found), indent=1) + "\n")
    else:
        text = "\n".join(_text(found, verbose="v" in given))
        output.write(f"{text}\n")
    return 0 if found.attaching else FAILED


def _as_data(found: Survey) -> dict[str, Any]:
    system = os.uname()
    groups = [
        {"title": group.title, "features": [_finding(each) for each in group.findings]}
        for group in found.groups
    ]
    return {
        "release": system.release, "machine": system.machine, "uid": os.geteuid(),
        "tracing": found.attaching, "works": found.works, "fails": found.fails, "groups": groups,
    }  # fmt: skip


def _finding(each: Finding) -> dict[str, str]:
    answer = {Word.CANNOT_TELL: "unknown", Word.FACT: "setting"}.get(each.word, each.word.value)
    fields = {"reason": each.reason, "advice": each.advice, "cause": each.cause.value}
    row = {"name": each.name, "label": each.label, "answer": answer}
    return row | {key: value for key, value in fields.items() if value}


def _text(found: Survey, *, verbose: bool) -> Iterator[str]:
    system = os.uname()
    yield f"Linux {system.release} ({system.machine}), asked by {user()}"
    advice = _numbered(found.groups)
    for group in found.groups:
        yield ""
        yield _painted(group.title, "head")
        yield from _lines(group, advice, verbose=verbose or not group.terse)
    if advice:
        yield ""
        yield _painted("What to do", "head")
        for text, number in advice.items():
            yield from _wrapped(f"  ({number}) ", text)
    yield ""
    yield from _verdict(found)


def _numbered(groups: Iterable[Group]) -> dict[str, int]:
    """Number what there is to do, each once, in the order in which it is first said."""
    found = (each for group in groups for each in group.findings if not _is_short(each))
    texts = dict.fromkeys(each.advice for each in found)
    return {text: number for number, text in enumerate(filter(None, texts), 1)}


def _is_short(each: Finding) -> bool:
    """Tell whether the advice stands in the line itself: another kernel is all that helps."""
    return each.cause is Cause.KERNEL


def _lines(group: Group, advice: dict[str, int], *, verbose: bool) -> Iterator[str]:
    shown = [each for each in group.findings if verbose or each.word is not Word.YES]
    rest = [each.label for each in group.findings if each not in shown]
    if rest:
        yield from _wrapped(f"  {_painted('yes', 'good')}  ", ", ".join(rest), indent=7)
    for row in _merged(shown, keep=verbose):
        yield from _row(row, advice)


def _merged(findings: list[Finding], *, keep: bool) -> list[Finding]:
    """Put what has the same answer for the same reason into one line."""
    if keep:
        return findings
    found: dict[tuple[object, ...], list[Finding]] = {}
    for each in findings:
        found.setdefault((each.word, each.reason, each.advice), []).append(each)
    return [same[0].replace(label=", ".join(e.label for e in same)) for same in found.values()]


_KINDS = {Word.YES: "good", Word.NO: "bad", Word.CANNOT_TELL: "bad", Word.FACT: "dim"}


def _row(each: Finding, advice: dict[str, int]) -> Iterator[str]:
    word = _painted(f"{each.word.value:<3}", _KINDS[each.word])
    reason = f": {each.reason}" if each.reason else ""
    todo = ""
    if each.advice:
        todo = f"; {each.advice}" if _is_short(each) else f" ({advice[each.advice]})"
    yield from _wrapped(f"  {word}  ", f"{each.label}{reason}{todo}", indent=7)


def _wrapped(first: str, text: str, indent: int = 0) -> Iterator[str]:
    space = indent or len(first)
    width = min(output.columns() or _WIDTH, _WIDTH)
    lines = textwrap.wrap(text, width - space, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        yield (" " * space if number else first) + line


def _verdict(found: Survey) -> Iterator[str]:
    if found.attaching:
        yield from _wrapped("", f"Tracing programs can run here: {', '.join(found.works)}")
        if found.fails:
            yield from _wrapped("", f"What cannot: {', '.join(found.fails)}")
    else:
        yield from _wrapped("", "No tracing program can run here, as far as this process can tell")


def _painted(text: str, style: str) -> str:
    return colour.styled(text, style) if colour.wanted(sys.stdout) else text
