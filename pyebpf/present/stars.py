"""Histograms as text, character for character as BCC prints them.

Source: the formats and the star rule of BCC's ``print_log2_hist`` and ``print_linear_hist``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from pyebpf.present.escape import printable

_STARS = 40
_WIDE_STARS = 20
#: From this slot on a value needs more than ten digits' room: 20 columns, and half the stars.
_FIRST_WIDE_SLOT = 32


def log2(counts: list[int], label: str, strip_leading_zeros: bool = False) -> str:
    """Draw power-of-two slots: ``low -> high``, the count, a bar."""
    used = _used(counts)
    first = next((k for k, n in enumerate(counts) if n), 0) if strip_leading_zeros else 0
    rows = ((str(1 << k if k else 0), str((2 << k) - 1), counts[k]) for k in range(first, used))
    return _intervals(rows, label, max(counts), used > _FIRST_WIDE_SLOT)


def linear(counts: list[int], edges: list[float], label: str) -> str:
    """Draw slots of one width: one value in each row where the width is 1, else ``low -> high``."""
    used = _used(counts)
    names = slot_names(edges[: used + 1])
    if len(edges) > 2 and edges[-2] - edges[-3] == 1:
        return _values(zip(names, counts[:used], strict=True), label, max(counts))
    ends = [_ends(edges, slot) for slot in range(used)]
    wide = any(len(end) > 10 for pair in ends for end in pair)
    rows = ((low, high, n) for (low, high), n in zip(ends, counts[:used], strict=True))
    return _intervals(rows, label, max(counts), wide)


def steps(names: list[str], counts: list[int]) -> str:
    """Draw steps of time: the name of each, the count, a bar."""
    room = max(map(len, names), default=0)
    most = max([*counts, 1])
    drawn = [
        f"{name:>{room}} : {n:<8} |{_bar(n, most, _STARS):<{_STARS}}|"
        for name, n in zip(names, counts, strict=True)
    ]
    return "\n".join([_headed(f"{'time':>{room}}"), *drawn]) if drawn else ""


def _intervals(rows: Iterator[tuple[str, str, int]], label: str, most: int, wide: bool) -> str:
    room, stars = (20, _WIDE_STARS) if wide else (10, _STARS)
    drawn = [
        f"{low:>{room}} -> {high:<{room}} : {n:<8} |{_bar(n, most, stars):<{stars}}|"
        for low, high, n in rows
    ]
    head = f"{' ' * (room - 5)}{printable(label):<{room + 9}}"
    return "\n".join([_headed(head), *drawn]) if drawn else ""


def _values(rows: Iterator[tuple[str, int]], label: str, most: int) -> str:
    drawn = [f"        {name:<10} : {n:<8} |{_bar(n, most, _STARS):<{_STARS}}|" for name, n in rows]
    return "\n".join([_headed(f"     {printable(label):<13}"), *drawn]) if drawn else ""


def _headed(head: str) -> str:
    return f"{head} : count     distribution"


def _bar(count: int, most: int, stars: int) -> str:
    # In floating point, as BCC: beyond 2**53 its rounding shows, and so must ours.
    return "*" * int(stars * count / most)


def _used(counts: list[int]) -> int:
    """Return how many slots there are up to the last that holds something."""
    return max((slot + 1 for slot, count in enumerate(counts) if count), default=0)


def slot_names(edges: list[float]) -> list[str]:
    """Name each slot between two edges: ``7``, ``4 -> 7``, ``>= 8`` or ``< 4``."""
    return [_slot_name(*pair) for pair in pairwise(edges)]


def _slot_name(low: float, high: float) -> str:
    if math.isinf(high):
        return "all" if math.isinf(low) else f">= {int(low)}"
    if math.isinf(low):
        return f"< {int(high)}"
    return str(int(low)) if high - low == 1 else f"{int(low)} -> {int(high) - 1}"


def _ends(edges: list[float], slot: int) -> tuple[str, str]:
    """Say the first and the last whole value of a slot."""
    low, high = edges[slot], edges[slot + 1]
    return (
        "-inf" if math.isinf(low) else str(int(low)),
        "inf" if math.isinf(high) else str(int(high) - 1),
    )
