"""Aggregates as values: merging, bounds of quantiles, JSON, Prometheus, OpenTelemetry."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf.present import otlp
from pyebpf.present.hist import Hist
from pyebpf.present.keyed import KeyedHist
from pyebpf.present.series import KeyedSeries, Series
from pyebpf.present.summary import Summary, SummaryTable, column_dtype
from pyebpf.spec.aggregates import PARTS, log2_slots

VALUES = st.lists(st.integers(0, 2**40), max_size=40)
PARTS_OF_TWO = st.sampled_from([1, 2, 8, 64])
KEYS = st.one_of(
    st.integers(0, 5), st.text(max_size=3), st.tuples(st.integers(0, 2), st.booleans())
)


def hist(values: list[int], parts: int = 8, unit: str = "us") -> Hist:
    """Count values as NumPy does, between the edges."""
    empty = Hist.log2([0] * log2_slots(parts), unit, sub_buckets=parts)
    counts, _ = np.histogram(np.array(values, np.float64), bins=empty.edges)
    return Hist.log2(counts, unit, sum(values), sub_buckets=parts)


def summary(kind: str, values: list[int]) -> Summary:
    """Make a summary by Python's own functions."""
    made: dict[str, Any] = {"count": len(values), "sum": sum(values)}
    made |= {"min": min(values, default=None), "max": max(values, default=None)}
    return Summary(kind, "us", **{part: made[part] for part in PARTS[kind]})


def table(kind: str, rows: dict[Any, list[int]]) -> SummaryTable:
    """Make a table of the keys that have values."""
    rows = {key: values for key, values in rows.items() if values}
    made = {key: summary(kind, values) for key, values in rows.items()}
    columns = {
        part: np.array(
            [getattr(one, part) for one in made.values()], column_dtype(part, signed=False)
        )
        for part in PARTS[kind]
    }
    return SummaryTable(kind, [*made], columns, "us")


def series(values: list[int], first: int = 100, clock: str = "boot") -> Series:
    counts = np.array([value > 0 for value in values], np.uint64)
    return Series(first, counts, np.array(values, np.uint64), 10**9, "us", clock, 500)


# -- merging


@pytest.mark.parametrize("kind", PARTS)
@given(one=VALUES, two=VALUES, three=VALUES)
def test_summaries_merge_in_any_order(
    kind: str, one: list[int], two: list[int], three: list[int]
) -> None:
    a, b, c = (summary(kind, values) for values in (one, two, three))
    assert (a + b) + c == a + (b + c) == (c + a) + b == summary(kind, one + two + three)
    assert Summary.from_json((a + b).to_json()) == a + b


@pytest.mark.parametrize("kind", PARTS)
@given(one=st.dictionaries(KEYS, VALUES), two=st.dictionaries(KEYS, VALUES))
def test_tables_merge_key_by_key(
    kind: str, one: dict[Any, list[int]], two: dict[Any, list[int]]
) -> None:
    merged = table(kind, one) + table(kind, two)
    both = {key: [*one.get(key, []), *two.get(key, [])] for key in {**one, **two}}
    assert merged == table(kind, both)
    assert merged == table(kind, two) + table(kind, one)
    assert merged.total() == summary(kind, [v for values in both.values() for v in values])
    assert SummaryTable.from_json(merged.to_json()) == merged


@given(VALUES, VALUES, VALUES, PARTS_OF_TWO)
def test_histograms_merge_in_any_order(
    one: list[int], two: list[int], three: list[int], parts: int
) -> None:
    a, b, c = (hist(values, parts) for values in (one, two, three))
    assert (a + b) + c == a + (b + c) == (c + a) + b == hist(one + two + three, parts)
    assert Hist.from_json(a.to_json()) == a
    keyed = KeyedHist({1: a, "x": b}, hist([], parts))
    assert dict(KeyedHist.from_json(keyed.to_json())) == dict(keyed)


@given(VALUES, st.sampled_from([(64, 8), (8, 2), (64, 1), (2, 1), (8, 8)]))
def test_fewer_slots_are_those_of_the_same_values(
    values: list[int], parts: tuple[int, int]
) -> None:
    fine, coarse = parts
    assert hist(values, fine).coarser(coarse) == hist(values, coarse)


@given(VALUES, VALUES, st.integers(-3, 3))
def test_series_merge_step_by_step(one: list[int], two: list[int], later: int) -> None:
    a, b = series(one), series(two, 100 + later)
    merged = a + b
    assert merged == b + a
    assert (merged.count, merged.total) == (a.count + b.count, a.total + b.total)
    at = dict(zip(merged.starts_ns.tolist(), merged.sums.tolist(), strict=True))
    for part in (a, b):
        for start, value in zip(part.starts_ns.tolist(), part.sums.tolist(), strict=True):
            assert at[start] >= value
    assert Series.from_json(merged.to_json()) == merged


def test_series_of_two_machines_merge_by_utc() -> None:
    one, two = series([1, 2], clock="a"), series([4], 101, clock="b")
    with pytest.raises(ValueError, match=r"clocks of two machines: merge what aligned\(\) gives"):
        one + two
    merged = one.aligned() + two.aligned()
    assert (merged.clock, merged.first, merged.sums.tolist()) == ("utc", 100, [1, 6])
    keyed = KeyedSeries({1: one}) + KeyedSeries({1: one, 2: one})
    assert {key: shown.total for key, shown in keyed.items()} == {1: 6, 2: 3}
    assert [*keyed.top(1)] == [1]


ODD: dict[str, tuple[Callable[[], Any], str]] = {
    "kinds": (lambda: summary("sum", []) + summary("max", []), "a sum, the other a max"),
    "units": (lambda: Summary("sum", "us", sum=1) + Summary("sum", "ms", sum=1), "convert first"),
    "signs": (
        lambda: Summary("sum", sum=1) + Summary("sum", sum=1, signed=True),
        "may be negative, of the other not",
    ),
    "tables": (lambda: table("sum", {}) + table("min", {}), "a sum, the other a min"),
    "slots": (
        lambda: hist([1], 8) + hist([1], 2),
        r"496 log2 slots \(8 for each power\) from 0, the other 128 .* coarser\(2\) gives of both",
    ),
    "steps": (
        lambda: series([1]) + Series(0, series([1]).counts, series([1]).sums, 5, "us", "boot"),
        "steps of 1000000000 and of 5 ns have no sum",
    ),
    "finer": (lambda: hist([1], 2).coarser(8), "are not made of 8 for each power"),
    "parts": (lambda: Hist.log2([1], sub_buckets=3), "1, 2, 4, … slots, not 3"),
    "no JSON": (lambda: Hist.from_json("[]"), "this is no hist that pyebpf wrote"),
    "other": (lambda: Hist.from_json(summary("sum", [1]).to_json()), "no hist that pyebpf wrote"),
    "half": (lambda: Hist.from_json('{"pyebpf":"hist","version":1}'), "is not complete: 'counts'"),
    "newer": (lambda: Hist.from_json('{"pyebpf":"hist","version":2}'), "form 2, and 1 is known"),
    "column": (
        lambda: SummaryTable("sum", [1], {"sum": np.zeros(2, np.uint64)}),
        r"column sum has the shape \(2,\), and there are 1 keys",
    ),
    "top": (lambda: table("sum", {}).top(1, "max"), "a sum keeps sum, not 'max'"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_what_does_not_go_together_is_refused(case: str) -> None:
    make, message = ODD[case]
    with pytest.raises(ValueError, match=message):
        make()


def test_a_sum_beyond_64_bits_is_no_number() -> None:
    near = SummaryTable("sum", ["a"], {"sum": np.array([2**64 - 1], np.uint64)})
    with pytest.raises(OverflowError, match="a merged sum is beyond 64 bits"):
        near + near
    assert near.total().sum == 2**64 - 1
    for numbers in ([2**63 - 1], [-(2**63)]):
        far = SummaryTable("sum", ["a"], {"sum": np.array(numbers, np.int64)}, signed=True)
        with pytest.raises(OverflowError):
            far + far


def test_keys_come_back_as_they_were() -> None:
    keys = [1, "one", b"\0\xff", ip_address("::1"), ("a", (True, ip_address("10.0.0.1")))]
    made = SummaryTable("count", keys, {"count": np.arange(5, dtype=np.uint64)})
    assert SummaryTable.from_json(made.to_json()).labels == tuple(keys)
    with pytest.raises(TypeError, match="has no form in JSON to be read back"):
        SummaryTable("count", [1.5], {"count": np.zeros(1, np.uint64)}).to_json()


# -- quantiles


@given(VALUES.filter(bool), st.floats(0, 1), PARTS_OF_TWO)
def test_the_bound_of_a_quantile_holds(values: list[int], q: float, parts: int) -> None:
    found = hist(values, parts).quantile(q)
    assert found is not None
    exact = int(np.quantile(values, q, method="inverted_cdf"))
    assert found.low <= exact < found.high
    assert abs(found.value - exact) <= found.error
    assert found.high - found.low <= max(1 if parts > 1 else 2, found.low / parts)


def test_the_error_of_what_lies_beyond_has_no_end() -> None:
    found = Hist.linear([0, 1]).quantile(0.5)
    assert found is not None
    assert (found.low, found.high, found.error) == (1, math.inf, math.inf)


# -- Prometheus

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)')


def samples(text: str) -> dict[tuple[str, str], float]:
    """Read the text format by its grammar; all that is no comment must be a sample."""
    assert text.endswith("\n")
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# TYPE [a-z_]+ (counter|gauge|histogram|summary)", line)
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        assert (match[1], match[2] or "") not in found, "a sample twice"
        found[match[1], match[2] or ""] = float(match[3])
    return found


@given(VALUES, PARTS_OF_TWO)
def test_prometheus_buckets_count_what_is_at_most_their_bound(
    values: list[int], parts: int
) -> None:
    found = samples(hist(values, parts).prometheus("size"))
    assert found["size_count", ""] == found["size_bucket", 'le="+Inf"'] == len(values)
    assert found["size_sum", ""] == sum(values)
    buckets = {name[1]: n for name, n in found.items() if name[0] == "size_bucket"}
    for label, n in buckets.items():
        bound = float(label[4:-1])
        assert n == sum(value <= bound for value in values) or bound > 2**53


def test_prometheus_takes_seconds_and_labels() -> None:
    one = Hist.log2([2, 0, 3], "us", 15)
    text = one.prometheus("run_seconds", {"host": 'a"b\\c\nd'}, to="s")
    host = r'host="a\"b\\c\nd"'
    assert text == (
        "# TYPE run_seconds histogram\n"
        f'run_seconds_bucket{{{host},le="0.000001"}} 2\n'
        f'run_seconds_bucket{{{host},le="0.000003"}} 2\n'
        f'run_seconds_bucket{{{host},le="0.000007"}} 5\n'
        f'run_seconds_bucket{{{host},le="+Inf"}} 5\n'
        f"run_seconds_sum{{{host}}} 0.000015\n"
        f"run_seconds_count{{{host}}} 5\n"
    )
    assert len(samples(text)) == 6
    assert 'le="+Inf"} 3' in Hist.linear([1, 2], low=3).prometheus("a", {"disk": "sda"})
    for name, labels, to in (("0a", {}, None), ("a", {"__x": 1}, None), ("a", {"le": 1}, None)):
        with pytest.raises(ValueError, match=r"no name|choose another name"):
            one.prometheus(name, labels, to=to)
    with pytest.raises(
        ValueError, match="'bytes' is not converted to 's': these are times: ns, us, ms, s"
    ):
        Hist.log2([1], "bytes").prometheus("a", to="s")


def test_prometheus_types_of_summaries() -> None:
    rows = {"x": [1, 5], "y": [7]}
    assert table("count", rows).prometheus("calls").splitlines() == [
        "# TYPE calls counter", 'calls{key="x"} 2', 'calls{key="y"} 1',
    ]  # fmt: skip
    assert table("max", rows).named("pid").prometheus("worst").splitlines() == [
        "# TYPE worst gauge", 'worst{pid="x"} 5', 'worst{pid="y"} 7',
    ]  # fmt: skip
    assert summary("stats", [1, 5]).prometheus("took", {"host": "a"}).splitlines() == [
        "# TYPE took summary", 'took_sum{host="a"} 6', 'took_count{host="a"} 2',
        "# TYPE took_min gauge", 'took_min{host="a"} 1',
        "# TYPE took_max gauge", 'took_max{host="a"} 5',
    ]  # fmt: skip
    assert Summary("sum", sum=-1, signed=True).prometheus("a") == "# TYPE a gauge\na -1\n"
    assert summary("min", []).prometheus("a") == "# TYPE a gauge\n"


# -- OpenTelemetry


@given(VALUES, PARTS_OF_TWO)
def test_otlp_buckets_are_the_slots(values: list[int], parts: int) -> None:
    metric = hist(values, parts).otlp("size", {"host": "a"}, start_ns=5, time_ns=9)
    assert (metric["name"], metric["unit"]) == ("size", "us")
    (point,) = metric["histogram"]["dataPoints"]
    assert point["attributes"] == [{"key": "host", "value": {"stringValue": "a"}}]
    assert (point["startTimeUnixNano"], point["timeUnixNano"]) == ("5", "9")
    counts, bounds = [int(n) for n in point["bucketCounts"]], point["explicitBounds"]
    assert len(counts) == len(bounds) + 1
    assert int(point["count"]) == sum(counts) == len(values)
    for slot, bound in enumerate(bounds):
        if bound < 2**53:
            assert sum(counts[: slot + 1]) == sum(value <= bound for value in values)
    json.dumps(metric, allow_nan=False)


def is_between(value: int, bucket: int, scale: int) -> bool:
    """Compare with ``2 ** (bucket / 2 ** scale)``, which is no whole number, by whole numbers."""
    return 2**bucket <= value ** (2**scale) < 2 ** (bucket + 1)


@given(VALUES, PARTS_OF_TWO)
def test_the_exponential_form_has_every_value_in_its_bucket(values: list[int], parts: int) -> None:
    made = hist(values, parts)
    metric = made.otlp("size", form="exponential")
    (point,) = metric["exponentialHistogram"]["dataPoints"]
    scale = point["scale"]
    assert 2**scale <= parts
    assert point["zeroThreshold"] == 1.0
    assert int(point["zeroCount"]) == sum(value <= 1 for value in values)
    first, counts = point["positive"]["offset"], [int(n) for n in point["positive"]["bucketCounts"]]
    large = [value for value in values if value > 1]
    for place, n in enumerate(counts):
        assert n == sum(is_between(value, first + place, scale) for value in large)
    assert sum(counts) + int(point["zeroCount"]) == int(point["count"]) == len(values)
    assert not counts or (counts[0] and counts[-1])
    if parts == 1:
        assert scale == 0
    if 2**scale < parts:  # at the next one a bound cuts a slot with counts
        edges = [int(edge) for edge in made.edges]
        slots = [(edges[at], edges[at + 1] - 1) for at, n in enumerate(made.counts) if n]
        assert any(
            not is_between(last, (low**2 ** (scale + 1)).bit_length() - 1, scale + 1)
            for low, last in slots
            if last > 1
        )


def test_the_exponential_form_is_as_fine_as_the_slots_allow() -> None:
    def point(values: list[int], parts: int) -> Any:
        metric = hist(values, parts).otlp("size", form="exponential")
        return metric["exponentialHistogram"]["dataPoints"][0]

    small = point([2, 3, 5, 5, 7], 8)  # each is a slot of its own
    assert small["scale"] == 3
    assert small["positive"] == {
        "offset": 8,
        "bucketCounts": [*"100010000020001"],
    }
    assert point([5, 1_000_000], 8)["scale"] == 3  # its slot lies between two bounds
    assert point([5, 1_480_000], 8)["scale"] == 0  # the root of two cuts this one


def test_a_linear_histogram_has_no_exponential_form() -> None:
    with pytest.raises(ValueError, match="a linear histogram has no exponential form"):
        Hist.linear([1, 2]).otlp("a", form="exponential")


def test_otlp_kinds_of_metrics() -> None:
    times = {"start_ns": 1, "time_ns": 2}
    plain = {"attributes": [], "startTimeUnixNano": "1", "timeUnixNano": "2"}
    calls = summary("count", [1, 2]).otlp("calls", **times)
    assert calls["sum"] == {
        "aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [{**plain, "asInt": "2"}],
    }  # fmt: skip
    worst = Summary("max", "bytes", count=1, max=2**63).otlp("worst", **times)
    assert worst["gauge"] == {"dataPoints": [{**plain, "asDouble": 2.0**63}]}
    assert worst["unit"] == "By"
    took = summary("stats", [1, 5]).otlp("took", **times)["histogram"]["dataPoints"]
    assert took == [{**plain, "count": "2", "sum": 6.0, "min": 1.0, "max": 5.0}]
    (first, second) = series([3, 4]).otlp("rate", {"cpu": 1})["sum"]["dataPoints"]
    assert first["timeUnixNano"] == second["startTimeUnixNano"] == str(101 * 10**9 + 500)
    assert first["attributes"] == [{"key": "cpu", "value": {"intValue": "1"}}]
    body = otlp.request(calls, worst, resource={"host.name": "a"})
    (of,) = body["resourceMetrics"]
    assert of["scopeMetrics"][0]["metrics"] == [calls, worst]
    assert of["resource"]["attributes"][0]["key"] == "host.name"


# -- as text and in notebooks


def test_tables_as_text_have_the_greatest_last() -> None:
    shown = table("stats", {"a": [1, 2], "b\x1b": [3, 4, 5]}).named("name")
    assert str(shown).splitlines() == [
        "NAME                          COUNT          SUM          MIN          MAX         MEAN",
        "a                                 2            3            1            2          1.5",
        "b\\x1b                             3           12            3            5            4",
    ]
    assert [*shown.top(1)] == ["b\x1b"]
    assert [*table("min", {"a": [5], "b": [3]}).top(1)] == ["b"]
    assert "<td style=" in shown._repr_html_()
    assert "\x1b" not in shown._repr_html_() + shown.to_json_lines()
    assert str(summary("average", [1, 2])) == "count 2, sum 3 us, mean 1.5 us"
    assert ">1.5 us</td>" in summary("average", [1, 2])._repr_html_()
    assert "&lt;b&gt;" in Summary("sum", "<b>", sum=1)._repr_html_()


def test_a_divided_histogram_shows_empty_slots_as_one_row() -> None:
    shown = str(hist([5, 5, 6, 900], 8)).splitlines()
    assert [line.split(" : ")[0].split() for line in shown] == [
        ["usecs"], ["5", "->", "5"], ["6", "->", "6"], ["7", "->", "895"], ["896", "->", "959"],
    ]  # fmt: skip
    assert str(hist([], 8)) == ""
    assert "<svg" in hist([5, 900], 8)._repr_html_()


def test_a_series_shows_its_steps() -> None:
    assert str(series([3, 0])).splitlines()[1:] == [
        f"00:01:40 : {1:<8} |{'*' * 40}|",
        f"00:01:41 : {0:<8} |{' ' * 40}|",
    ]
    assert "<svg" in series([3])._repr_html_()
    assert series([3, 0]).to_dict()[0] == {"start": 100.0000005, "count": 1, "sum": 3}
    assert series([3, 0]).rates.tolist() == [1, 0]
    assert str(series([])) == ""
