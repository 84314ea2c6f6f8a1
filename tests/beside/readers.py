"""Reading what tools print of a workload: each returns how often it saw what.

A pattern of these fits all who print the same in much the same way; what is peculiar to one tool is
said where it is read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

from tests.beside import work
from tests.beside.contest import Counts

#: Counts what a tool printed of the workload.
Reader = Callable[[str], Counts]

_HISTOGRAM_ROW = re.compile(r"(?:-> \d+\s*:|\[.*[)\]])\s*(\d+)\s+\|")


def lines(pattern: str) -> Reader:
    """Return what counts the lines that a pattern fits, by what its groups say."""
    known = re.compile(pattern, re.MULTILINE)
    return lambda text: Counter(" ".join(m.groups()) for m in known.finditer(text))


def renamed(read: Reader, names: Mapping[str, str]) -> Reader:
    """Return what counts under other names."""
    return lambda text: {names.get(what, what): count for what, count in read(text).items()}


def numbers(pattern: str, what: str = "") -> Reader:
    """Return what adds up the group ``n`` of a pattern, by what its other groups say."""
    known = re.compile(pattern, re.MULTILINE)

    def read(text: str) -> Counts:
        counts: Counter[str] = Counter()
        for m in known.finditer(text):
            others = [m[i] for i in range(1, known.groups + 1) if i != known.groupindex["n"]]
            counts[what or " ".join(others)] += int(m["n"])
        return counts

    return read


def total(what: str) -> Reader:
    """Return what adds up the rows of histograms of powers of two."""
    return lambda text: {what: sum(map(int, _HISTOGRAM_ROW.findall(text)))}


def sections(pattern: str, *only: str) -> Reader:
    """Return what adds up the rows of each histogram, by the group that its title has."""
    title = re.compile(pattern, re.MULTILINE)

    def read(text: str) -> Counts:
        _, *parts = title.split(text)
        counts: Counter[str] = Counter()
        for name, part in zip(parts[::2], parts[1::2], strict=True):
            if not only or name in only:
                counts[name] += sum(map(int, _HISTOGRAM_ROW.findall(part)))
        return counts

    return read


def of_the_workload(text: str) -> Counts:
    """Add up the rows of the histograms of the workload's process."""
    parts = re.split(r"(?m)^(?=Process Name|@\[)", text)
    return total("requests")(
        "\n".join(part for part in parts if work.COMM in part.partition("\n")[0])
    )


def columns(titles: Mapping[str, str], unit: int = 1, of: str = "") -> Reader:
    """Return what adds up columns of tables, as multiples of a unit.

    Args:
        titles: of the columns, and what they count.
        unit: what is one.
        of: what the lines that count contain.
    """

    def read(text: str) -> Counts:
        counts: Counter[str] = Counter()
        head: list[str] = []
        for line in text.splitlines():
            words = line.split()
            if titles.keys() <= set(words):
                head = words
            elif len(words) == len(head) and of in line:
                for title, what in titles.items():
                    counts[what] += int(words[head.index(title)])
        return {what: round(count / unit) for what, count in counts.items()}

    return read


def stacks(function: str, what: str, unit: float) -> Reader:
    """Return what adds up the numbers below stacks with a function, as multiples of a unit."""

    def read(text: str) -> Counts:
        found = 0
        above: list[str] = []
        for line in map(str.strip, text.splitlines()):
            if re.fullmatch(r"-?\d+", line):
                found += int(line) * any(function in each for each in above)
            # A number or an empty line ends a stack.
            above = [*above, line] if line.strip("-0123456789") else []
        return {what: round(found / unit)}

    return read


def queued(text: str) -> Counts:
    """Read how many seconds of 99 samples found that two or more wait."""
    rows = re.findall(r"^\s*\[?(\d+)(?:, \d+\)|\s+:)\s+(\d+)\s+\|", text, re.MULTILINE)
    waited = sum(int(count) for length, count in rows if int(length) >= 2)
    return {"seconds with two waiting": round(waited / 99)}
