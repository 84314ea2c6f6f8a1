"""The kernels that the tests run on, one row each.

A row names a series and a Debian suite, never a version: suites move on, and drop what is old. The
newest release of the series is looked up in the package index each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple


class Row(NamedTuple):
    """One kernel.

    Attributes:
        name: what it is called on the command line.
        series: the beginning of its versions, in numbers.
        suite: of Debian, where its packages are.
        why: it is in the table.
        ci: which parts of the tests every change runs on it, each in a machine of its own:
            ``"hooks"`` (of what attaches), ``"tools"``, ``"language"`` (the others); see
            ``CI_SELECTIONS`` in ``suite.py``.
        lacks: features that it was built without, though its version has them.
    """

    name: str
    series: tuple[int, ...]
    suite: str
    why: str
    ci: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


ROWS = (
    Row(
        "5.10",
        (5, 10),
        "bullseye-security",
        "the oldest that pyebpf supports",
        ci=("language", "hooks"),
    ),
    Row(
        "6.1",
        (6, 1),
        "bookworm-security",
        "Debian 12",
        ci=("tools",),
        lacks=("prog:kprobe.multi", "prog:kretprobe.multi"),
    ),  # no CONFIG_FPROBE
    Row("6.12", (6, 12), "trixie-security", "Debian 13"),
    Row("6.18", (6, 18), "trixie-backports", "the long-term kernel after that"),
    Row("7", (7,), "trixie-backports", "the newest there is", ci=("hooks",)),
)

#: What Debian calls an image that we can use: not for real time, not unsigned, not for clouds
#: (those have no 9p), not for another distribution release's predecessor.
_IMAGE = re.compile(r"linux-image-(\d+(?:\.\d+)+(?:-\d+)?(?:\+deb\d+(?:\.\d+)?)?-amd64)")


def row(name: str) -> Row:
    """Return the row of a name.

    Raises:
        ValueError: there is none; the message lists them.
    """
    for known in ROWS:
        if known.name == name:
            return known
    raise ValueError(f"no kernel {name!r} in the table; there are {', '.join(names(ROWS))}")


def names(rows: Iterable[Row]) -> list[str]:
    """Return what rows are called."""
    return [known.name for known in rows]


def newest(row: Row, packages: Iterable[str]) -> str | None:
    """Return the newest release of a row's series among packages: ``"6.1.0-56-amd64"``."""
    found = [m[1] for name in packages if (m := _IMAGE.fullmatch(name))]
    return max((r for r in found if _numbers(r)[: len(row.series)] == row.series),
               key=_numbers, default=None)  # fmt: skip


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", release.removesuffix("-amd64"))))
