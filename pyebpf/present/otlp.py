"""Aggregates as metrics of OpenTelemetry, in the JSON form of its protocol (OTLP).

Each function gives one metric; :func:`request` puts metrics into what a collector takes by ``POST``
at ``/v1/metrics``. 64-bit numbers are strings there, as in all JSON of protocol buffers.

Source: opentelemetry-proto, ``metrics/v1/metrics.proto``; the JSON encoding in the specification of
OTLP.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from pyebpf.version import __version__

if TYPE_CHECKING:
    from pyebpf.present.hist import Hist
    from pyebpf.present.series import Series
    from pyebpf.present.summary import Summary

Form: TypeAlias = Literal["explicit", "exponential"]
Attributes: TypeAlias = Mapping[str, object]

_DELTA, _CUMULATIVE = 1, 2
_MOST = 1 << 63
#: Units that UCUM, whose names OpenTelemetry takes, calls otherwise.
_UNITS = {"bytes": "By"}


def histogram(
    name: str,
    series: Iterable[tuple[Attributes, Hist]],
    *,
    form: Form = "explicit",
    start_ns: int = 0,
    time_ns: int | None = None,
) -> dict[str, Any]:
    """Return histograms as one metric.

    Args:
        name: of the metric.
        series: the attributes of each, and its counts.
        form: ``"explicit"``: every slot is a bucket, and the bounds are the slots' greatest values,
            so nothing is lost. ``"exponential"``, which takes less room: OTLP divides a power of
            two into ``2**scale`` equal ratios and not into equal widths, so the scale is the
            greatest, up to as many as there are sub-buckets, at which every slot that has counts
            lies in one bucket; slots that share a bucket are added up. A power of two itself, which
            OTLP counts in the bucket below, is in the one above.
        start_ns: since when was counted, in nanoseconds since 1970.
        time_ns: until when; now by default.

    Raises:
        ValueError: a linear histogram has no exponential form.
    """
    now = _now(time_ns)
    point = _explicit if form == "explicit" else _exponential
    rows = list(series)
    points = [_point(of, start_ns, now) | point(hist) for of, hist in rows]
    kind = "histogram" if form == "explicit" else "exponentialHistogram"
    data = {"aggregationTemporality": _CUMULATIVE, "dataPoints": points}
    return _metric(name, rows[0][1].unit if rows else "", kind, data)


def _explicit(hist: Hist) -> dict[str, Any]:
    bounds = [int(edge) - 1 for edge in hist.edges.tolist()[1:-1]]
    return {
        **_counted(hist),
        "bucketCounts": [str(count) for count in hist.counts.tolist()],
        "explicitBounds": [float(bound) for bound in bounds],
    }


def _exponential(hist: Hist) -> dict[str, Any]:
    if hist.kind != "log2":
        raise ValueError("a linear histogram has no exponential form: leave out form=")
    used = np.flatnonzero(hist.counts)
    ends = zip(hist.edges[used].tolist(), hist.edges[used + 1].tolist(), strict=True)
    slots = [(int(low), int(end) - 1) for low, end in ends]
    counts = dict(zip(slots, hist.counts[used].tolist(), strict=True))
    positive = [slot for slot in slots if slot[1] > 1]
    scale = _finest(positive, hist.sub_buckets.bit_length() - 1)
    buckets: dict[int, int] = {}
    for slot in positive:
        at = _bucket(slot[1], scale)
        buckets[at] = buckets.get(at, 0) + counts[slot]
    first, end = (min(buckets), max(buckets) + 1) if buckets else (1, 1)
    numbers = [str(buckets.get(at, 0)) for at in range(first, end)]
    return {
        **_counted(hist),
        "scale": scale,
        "zeroCount": str(sum(n for (_, last), n in counts.items() if last <= 1)),
        "zeroThreshold": 1.0,
        "positive": {"offset": first, "bucketCounts": numbers},
    }


def _finest(slots: list[tuple[int, int]], most: int) -> int:
    """Return the greatest scale, up to ``most``, at which each of the slots is in one bucket."""
    scale = most
    while scale and any(_bucket(low, scale) != _bucket(last, scale) for low, last in slots):
        scale -= 1
    return scale


def _bucket(value: int, scale: int) -> int:
    """Return the bucket of a whole number: ``floor(2**scale * log2(value))``, without rounding.

    >>> [_bucket(value, 1) for value in (2, 3, 4, 5, 6)]
    [2, 3, 4, 4, 5]
    """
    power: int = value ** (1 << scale)
    return power.bit_length() - 1


def _counted(hist: Hist) -> dict[str, Any]:
    count = {"count": str(hist.count)}
    return count if hist.total is None else {**count, "sum": float(hist.total)}


def summary(
    name: str,
    series: Iterable[tuple[Attributes, Summary]],
    *,
    start_ns: int = 0,
    time_ns: int | None = None,
) -> dict[str, Any]:
    """Return counts and the like as one metric.

    A count or a sum is a sum of OTLP, an extreme a gauge, an average and statistics are a histogram
    without buckets: count, sum, least and greatest.

    Args:
        name: of the metric.
        series: the values, each with its attributes.
        start_ns: since when they were counted, in nanoseconds since the epoch; 0: not known.
        time_ns: until when; now by default.
    """
    now = _now(time_ns)
    rows = list(series)
    kind, unit = (rows[0][1].kind, rows[0][1].unit) if rows else ("count", "")
    seen = [(_point(of, start_ns, now), one) for of, one in rows]
    if kind in ("average", "stats"):
        points = [{**point, **_bucketless(one)} for point, one in seen]
        data = {"aggregationTemporality": _CUMULATIVE, "dataPoints": points}
        return _metric(name, unit, "histogram", data)
    points = [{**p, **_as_number(one.value)} for p, one in seen if one.value is not None]
    if kind in ("min", "max"):
        return _metric(name, unit, "gauge", {"dataPoints": points})
    grows = not any(one.signed for _, one in rows)
    return _metric(name, unit, "sum", _sum(points, _CUMULATIVE, grows=grows))


def _bucketless(one: Summary) -> dict[str, Any]:
    shown = {"sum": one.sum, "min": one.min, "max": one.max}
    numbers = {part: float(value) for part, value in shown.items() if value is not None}
    return {"count": str(one.count), **numbers}


def series(name: str, rows: Iterable[tuple[Attributes, Series]]) -> dict[str, Any]:
    """Return the sums of time series, ``rows``, as one metric: a point for each step."""
    points: list[dict[str, Any]] = []
    unit, grows = "", True
    for of, one in rows:
        unit, grows = one.unit, grows and one.sums.dtype.kind == "u"
        starts = one.starts_ns.tolist()
        for start, total in zip(starts, one.sums.tolist(), strict=True):
            points.append(_point(of, start, start + one.step_ns) | _as_number(total))
    return _metric(name, unit, "sum", _sum(points, _DELTA, grows=grows))


def request(*metrics: dict[str, Any], resource: Attributes | None = None) -> dict[str, Any]:
    """Return metrics as the body of a request to a collector.

    Args:
        metrics: what the functions above give.
        resource: what is measured: ``{"host.name": …, "service.name": …}``.
    """
    scope = {"scope": {"name": "pyebpf", "version": __version__}, "metrics": list(metrics)}
    of = {"attributes": _attributes(resource or {})}
    return {"resourceMetrics": [{"resource": of, "scopeMetrics": [scope]}]}


def _metric(name: str, unit: str, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "unit": _UNITS.get(unit, unit), kind: data}


def _sum(points: list[dict[str, Any]], temporality: int, *, grows: bool) -> dict[str, Any]:
    head = {"aggregationTemporality": temporality, "isMonotonic": grows}
    return {**head, "dataPoints": points}


def _point(attributes: Attributes, start_ns: int, time_ns: int) -> dict[str, Any]:
    times = {"startTimeUnixNano": str(start_ns), "timeUnixNano": str(time_ns)}
    return {"attributes": _attributes(attributes), **times}


def _as_number(value: float) -> dict[str, Any]:
    if isinstance(value, int) and -_MOST <= value < _MOST:
        return {"asInt": str(value)}
    return {"asDouble": float(value)}


def _attributes(given: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in given.items()]


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and -_MOST <= value < _MOST:
        return {"intValue": str(value)}
    if isinstance(value, float) and math.isfinite(value):
        return {"doubleValue": value}
    return {"stringValue": str(value)}


def _now(time_ns: int | None) -> int:
    return time.time_ns() if time_ns is None else time_ns
