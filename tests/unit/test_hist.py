"""Histograms as values: slots, sums, quantiles, JSON."""

from __future__ import annotations

import json
import pickle
from typing import Any
from xml.dom import minidom

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf.present.hist import Hist, log2_edges
from pyebpf.present.keyed import KeyedHist

VALUES = st.lists(st.integers(0, 2**64 - 1), max_size=60)


def of(values: list[int], unit: str = "us") -> Hist:
    """Count as a program would."""
    counts = [0] * 64
    for value in values:
        counts[max(value.bit_length() - 1, 0)] += 1
    return Hist.log2(counts, unit, total=sum(values))


@given(st.integers(0, 2**64 - 1))
def test_a_value_lies_between_the_edges_of_its_slot(value: int) -> None:
    slot = int(np.flatnonzero(of([value]).counts)[0])
    edges = log2_edges(64)
    assert int(edges[slot]) <= value < int(edges[slot + 1])


@given(VALUES, VALUES)
def test_adding_and_subtracting_lose_nothing(one: list[int], two: list[int]) -> None:
    both = of(one) + of(two)
    assert both == of(one + two)
    assert both - of(two) == of(one)
    assert both.count == len(one) + len(two)
    assert both.total == sum(one) + sum(two)


@given(VALUES.filter(bool), st.floats(0, 1))
def test_a_quantile_lies_between_its_bounds(values: list[int], q: float) -> None:
    found = of(values).quantile(q)
    assert found is not None
    exact = sorted(values)[max(0, -int(-q * len(values) // 1) - 1)]
    assert int(found.low) <= exact < int(found.high)
    assert found.low <= found.value <= found.high


def test_quantile_and_mean_of_nothing_are_none() -> None:
    nothing = of([])
    assert nothing.quantile(0.5) is None
    assert nothing.mean is None
    assert Hist.log2([1]).mean is None  # no total was kept
    assert of([1, 2, 6]).mean == 3
    with pytest.raises(ValueError, match="from 0 to 1, not 50"):
        nothing.quantile(50)


def test_what_cannot_be_merged_is_refused() -> None:
    with pytest.raises(ValueError, match="'us', the other in 'ms'"):
        of([1]) + of([1], "ms")
    with pytest.raises(
        ValueError, match="64 log2 slots from 0, the other 4 linear slots of 1 from 0"
    ):
        of([1], "") + Hist.linear([1, 2, 3, 4])
    with pytest.raises(ValueError, match="slot 1 holds 1, and 2 before"):
        of([2]) - of([2, 3])
    with pytest.raises(TypeError):
        of([1]) + 1  # type: ignore[operator]


@pytest.mark.parametrize("counts", [[], [[1]], [-1], [0.5], [1] * 65])
def test_counts_that_are_none_are_refused(counts: Any) -> None:
    with pytest.raises(ValueError, match=r"counts|slots"):
        Hist.log2(counts)


def test_a_histogram_is_frozen_and_shares_no_edges() -> None:
    hist = of([1])
    with pytest.raises(AttributeError):
        hist.unit = "ms"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        hist.edges[0] = 1
    assert pickle.loads(pickle.dumps(hist)) == hist


def test_json_has_the_form_of_biolatency() -> None:
    assert of([0, 3, 5]).to_dict(ts="2026-01-02 03:04:05") == {
        "ts": "2026-01-02 03:04:05",
        "val_type": "usecs",
        "data": [
            {"interval-start": 0, "interval-end": 1, "count": 1},
            {"interval-start": 2, "interval-end": 3, "count": 1},
            {"interval-start": 4, "interval-end": 7, "count": 1},
        ],
        "total": 8,
    }
    line = Hist.log2([0] * 63 + [1]).to_json_line("bytes")
    assert "\n" not in line
    assert json.loads(line)["data"][63] == {
        "interval-start": 2**63, "interval-end": 2**64 - 1, "count": 1
    }  # fmt: skip


def test_json_of_an_open_slot_has_no_end() -> None:
    data = Hist.linear([1, 0, 2], low=10, step=5).to_dict()["data"]
    assert data[0] == {"interval-start": None, "interval-end": 14, "count": 1}
    assert data[2] == {"interval-start": 20, "interval-end": None, "count": 2}


def keyed(section: str = "disk") -> KeyedHist:
    return KeyedHist(
        {"sdb": of([1, 2]), "sda": of([9] * 5), "sdc": of([70])}, of([]), section=section
    )


def test_keys_merge_sum_and_choose() -> None:
    hists = keyed()
    assert hists.total() == of([1, 2, 9, 9, 9, 9, 9, 70])
    assert list(hists.top(2)) == ["sda", "sdb"]
    twice = hists + KeyedHist({"sda": of([9]), "new": of([3])}, of([]))
    assert twice["sda"] == of([9] * 6)
    assert set(twice) == {"sda", "sdb", "sdc", "new"}
    assert twice.count == hists.count + 2
    assert hists["sda"] == of([9] * 5)
    assert KeyedHist({}, of([])).total() == of([])
    with pytest.raises(ValueError, match="'x' has another shape"):
        KeyedHist({"x": of([1], "ms")}, of([]))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("key", "abc"), ("seen", "bac"), ("count", "cba"), ("busiest", "abc"),
        ("total", "bac"), (lambda key: -ord(key[-1]), "cba"),
    ],
)  # fmt: skip
def test_sections_are_sorted_as_asked(order: Any, expected: str) -> None:
    text = keyed().render(order=order)
    heads = [line[-1] for line in text.splitlines() if line.startswith("disk = sd")]
    assert "".join(heads) == expected


def test_an_unknown_order_names_the_known() -> None:
    with pytest.raises(ValueError, match="'size': one of key, count, busiest, total, seen"):
        keyed().render(order="size")  # type: ignore[arg-type]


def test_keyed_json_has_a_line_for_each_key() -> None:
    lines = keyed().to_json_lines().splitlines()
    assert [json.loads(line)["disk"] for line in lines] == ["sda", "sdb", "sdc"]


def test_drawings_are_well_formed_and_escaped() -> None:
    evil = KeyedHist({'<script>"\x1b': of([1, 900])}, of([]), section="a&b")
    for html in (of([1, 5])._repr_html_(), of([])._repr_html_(), evil._repr_html_()):
        minidom.parseString(html)
    assert "<script>" not in evil._repr_html_()
    assert "4 -&gt; 7" in of([1, 5])._repr_html_()
    many = KeyedHist({n: of([n]) for n in range(20)}, of([]))
    assert many._repr_html_().count("<svg") == 12
    assert "and 8 more" in many._repr_html_()
