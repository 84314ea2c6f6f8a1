"""Who may be timed: who counts what happens. A peer that does not is named in the report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tests.bench.report import Report
from tests.bench.starting import Contestant, Peer, started

#: What happens while a tool looks.
EVENTS = 23
#: How often one of ours looks: the first time it is as its second start, then with a head start.
_LOOKS = 2


class Look(NamedTuple):
    """What a tool did while something happened: how much it counted, and its peak memory."""

    counted: int
    settled_bytes: int
    text: str


def look(contestant: Contestant, work: Callable[[], object], seen: Callable[[str], int]) -> Look:
    """Let something happen while a tool looks, after a start to warm up.

    Args:
        contestant: the tool.
        work: makes `EVENTS` events.
        seen: says of what the tool printed how many there were.
    """
    with started(contestant) as (running, _):
        running.finish()
    with started(contestant) as (running, _):
        work()
        settled = running.settled_bytes()
        text = running.finish()
    return Look(seen(text), settled, text)


def fit(
    report: Report,
    subject: str,
    contestants: Iterable[Contestant],
    see: Callable[[Contestant], Look],
    *,
    exact: bool = True,
) -> dict[Contestant, Look]:
    """Return those that count right, with what they did.

    Args:
        report: where peers are named that do not.
        subject: what is counted.
        contestants: all; one of ours that counts wrong is an error.
        see: lets one of them look.
        exact: more events than we make are wrong, too.
    """
    found = {}
    for one in contestants:
        looks = 1 if isinstance(one, Peer) else _LOOKS
        try:
            seen = min((see(one) for _ in range(looks)), key=lambda seen: seen.counted)
        except RuntimeError as err:
            if not isinstance(one, Peer):
                raise
            report.note(f"{subject}: {one.name} does not start, so it is not timed: {_why(err)}")
            continue
        right = seen.counted == EVENTS if exact else seen.counted >= EVENTS
        said = f"{one.name} counted {seen.counted} of {EVENTS}"
        if right:
            found[one] = seen
            continue
        assert isinstance(one, Peer), f"{subject}: {said}:\n{seen.text}"
        report.note(f"{subject}: {said}, so it is not timed")
    return found


def _why(err: RuntimeError) -> str:
    """Return the last line of what a program wrote before it ended."""
    return str(err).strip().rpartition("\n")[2]


def counted(text: str) -> int:
    """Sum the counts of a histogram of stars, BCC's or bpftrace's."""
    rows = re.findall(r"^(?:\s*\d+ -> \d+\s*:|\[.*\))\s+(\d+)\s*\|", text, re.MULTILINE)
    return sum(map(int, rows))
