"""Aggregates in Prometheus' text format.

A bucket's ``le`` is inclusive, and values are whole: it is the greatest value of its slot, so what
is counted here and there is the same. All slots are written, so that series do not come and go.

Source: prometheus.io, "Exposition formats", text-based format 0.0.4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyebpf.present.hist import Hist
    from pyebpf.present.summary import Summary

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
#: Powers of ten of a second.
_TIMES = {"ns": -9, "us": -6, "ms": -3, "s": 0}
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def histogram(
    name: str,
    series: Iterable[tuple[Mapping[str, object], Hist]],
    *,
    to: str | None = None,
    text: str = "",
) -> str:
    """Write histograms of one name.

    Args:
        name: such as ``"request_duration_seconds"``.
        series: the labels of each, and its counts.
        to: the unit to write times in: ``"s"``, as is usual there; else the histogram's own.
        text: what it is, for the line above.

    Raises:
        ValueError: a name is none of Prometheus', or the unit is no time.
    """
    lines = [*_head(name, "histogram", text)]
    for labels, hist in series:
        power = 0 if to is None else _power(hist.unit, to)
        counts = list(accumulate(hist.counts.tolist()))
        for edge, below in zip(hist.edges.tolist()[1:], counts, strict=True):
            if not math.isinf(edge):
                lines.append(
                    _line(f"{name}_bucket", labels, below, le=_scaled(int(edge) - 1, power))
                )
        lines.append(_line(f"{name}_bucket", labels, counts[-1], le="+Inf"))
        if hist.total is not None:
            lines.append(_line(f"{name}_sum", labels, _scaled(hist.total, power)))
        lines.append(_line(f"{name}_count", labels, counts[-1]))
    return "\n".join(lines) + "\n"


def summary(
    name: str, series: Iterable[tuple[Mapping[str, object], Summary]], *, text: str = ""
) -> str:
    """Write counts, sums, extremes of one name.

    Args:
        name: of the metrics.
        series: the values, each with its labels.
        text: what they are, for people.

    Raises:
        ValueError: a name is none of Prometheus'.
    """
    rows = list(series)
    kind = rows[0][1].kind if rows else "count"
    if kind in ("average", "stats"):
        lines = [*_head(name, "summary", text)]
        for labels, one in rows:
            lines += [
                _line(f"{name}_{part}", labels, getattr(one, part)) for part in ("sum", "count")
            ]
        for part in ("min", "max") if kind == "stats" else ():
            lines += [
                *_head(f"{name}_{part}", "gauge", text),
                *_values(f"{name}_{part}", part, rows),
            ]
    else:
        falls = kind in ("min", "max") or any(one.signed for _, one in rows)
        lines = [*_head(name, "gauge" if falls else "counter", text), *_values(name, kind, rows)]
    return "\n".join(lines) + "\n"


def _values(
    name: str, part: str, rows: Iterable[tuple[Mapping[str, object], Summary]]
) -> Iterator[str]:
    for labels, one in rows:
        value = getattr(one, part)
        if value is not None:  # of nothing there is no least
            yield _line(name, labels, value)


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name of a metric: letters, digits, _ and : after a letter"
        )
    if text:
        escaped = text.replace("\\", "\\\\").replace("\n", r"\n")
        yield f"# HELP {name} {escaped}"
    yield f"# TYPE {name} {kind}"


def _line(name: str, labels: Mapping[str, object], value: object, **more: str) -> str:
    if more.keys() & labels.keys():
        raise ValueError("the label `le` says which bucket it is: choose another name")
    pairs = [
        f'{_label(key)}="{str(of).translate(_ESCAPES)}"' for key, of in {**labels, **more}.items()
    ]
    return f"{name}{{{','.join(pairs)}}} {value}" if pairs else f"{name} {value}"


def _label(name: str) -> str:
    if not _LABEL.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a label: letters, digits and _, not __ first")
    return name


def _power(unit: str, to: str) -> int:
    if unit not in _TIMES or to not in _TIMES:
        raise ValueError(
            f"{unit!r} is not converted to {to!r}: these are times: {', '.join(_TIMES)}"
        )
    return _TIMES[unit] - _TIMES[to]


def _scaled(value: int, power: int) -> str:
    """Return ``value * 10**power``, exactly."""
    return f"{Decimal(value).scaleb(power):f}" if power else str(value)
