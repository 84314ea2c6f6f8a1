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
        arch: the architecture, a row of ``architectures.py``.
        pages: how large pages are, as Debian calls a kernel where they are not of 4 KiB: ``"16k"``.
    """

    name: str
    series: tuple[int, ...]
    suite: str
    why: str
    ci: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    arch: str = "amd64"
    pages: str = ""

    @property
    def flavour(self) -> str:
        """Return how the names of its releases end."""
        return f"-{self.arch}-{self.pages}" if self.pages else f"-{self.arch}"


#: What needs CONFIG_FPROBE. On arm64 that came with Linux 6.14.
_FPROBE = ("prog:kprobe.multi", "prog:kretprobe.multi", "prog:kprobe.session")

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
        lacks=_FPROBE,
    ),
    Row("6.12", (6, 12), "trixie-security", "Debian 13"),
    Row("6.18", (6, 18), "trixie-backports", "the long-term kernel after that"),
    Row("7", (7,), "trixie-backports", "the newest there is", ci=("hooks",)),
    Row(
        "arm64",
        (6, 12),
        "trixie-security",
        "Debian 13 on another architecture",
        lacks=_FPROBE,
        arch="arm64",
    ),
    Row(
        "arm64-16k",
        (6, 12),
        "trixie-security",
        "pages of 16 KiB",
        lacks=_FPROBE,
        arch="arm64",
        pages="16k",
    ),
)

#: What Debian calls an image that we can use: not for real time, not unsigned, not for clouds
#: (those have no 9p), not for another distribution release's predecessor.
_IMAGE = re.compile(
    r"linux-image-(\d+(?:\.\d+)+(?:-\d+)?(?:\+deb\d+(?:\.\d+)?)?(-[a-z0-9]+(?:-16k)?))"
)


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
    found = [m[1] for name in packages if (m := _IMAGE.fullmatch(name)) and m[2] == row.flavour]
    numbers = {release: _numbers(release.removesuffix(row.flavour)) for release in found}
    return max((r for r in found if numbers[r][: len(row.series)] == row.series),
               key=numbers.__getitem__, default=None)  # fmt: skip


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
