"""What a probe refers to, found in its code objects."""

from __future__ import annotations

import enum
from types import ModuleType
from typing import Any

import pytest

from pyebpf import (
    Array,
    Const,
    Hash,
    Log2Hist,
    compile_probes,
    load,
    raw_tracepoint,
    testing,
    tgid,
    u32,
    u64,
)
from pyebpf.dsl.collect import collect, namespace
from pyebpf.dsl.probes import Probe
from pyebpf.errors import PyebpfError

counts = Array[u64](max_entries=1)
seen = Hash[u32, u64](max_entries=4)
verbose = Const(False)
LIMIT = 3

config = ModuleType("config")
config.inner = ModuleType("config.inner")  # type: ignore[attr-defined]
config.inner.LIMIT = 9
config.again = config  # type: ignore[attr-defined]
config.events = Hash[u32, u32]()  # type: ignore[attr-defined]
config.unused = Hash[u32, u32]()  # type: ignore[attr-defined]


class Kind(enum.IntEnum):
    READ = 4


class Settings:
    depth = 5


def deeper(key: u64, *, limit: u64 = LIMIT) -> u64:
    return seen.get(key) or limit


def helper(key: u64) -> u64:
    return deeper(key) + Kind.READ + Settings.depth


@raw_tracepoint("sys_enter")
def probe() -> None:
    counts[0] += helper(tgid())
    if verbose:
        config.again.events[config.inner.LIMIT] = 1


def test_maps_are_named_by_what_they_are_called() -> None:
    found = collect([probe])
    assert found.maps == {counts: "counts", seen: "seen", config.events: "events"}


def test_functions_are_followed_once() -> None:
    found = collect([probe, probe])
    assert [f.__name__ for f in found.functions] == ["probe", "helper", "deeper"]


def test_values_are_listed_wherever_they_stand() -> None:
    values = dict(collect([probe]).values)
    assert values["verbose"] is verbose
    assert values["READ"] == 4
    assert values["depth"] == 5
    assert ("LIMIT", 9) in collect([probe]).values
    assert 3 in [value for name, value in collect([probe]).values if name == "default"]


def test_two_maps_of_one_name_are_told_apart() -> None:
    def make() -> Any:
        counts = Log2Hist()

        @raw_tracepoint("sys_exit")
        def other() -> None:
            counts.add(1)

        return other, counts

    other, inner = make()
    found = collect([probe, other])
    assert (found.maps[counts], found.maps[inner]) == ("counts", "counts_2")
    assert found.name_map(inner, "whatever") == "counts_2"


def test_a_closure_hides_a_global_and_an_empty_cell_is_nothing() -> None:
    def make() -> Any:
        def inner() -> Any:
            return LIMIT, late

        LIMIT = 8  # noqa: N806
        names = namespace(inner)
        late = 1
        return names, namespace(inner)

    early, later = make()
    assert early["LIMIT"] == 8
    assert "late" not in early
    assert later["late"] == 1


def test_what_is_no_probe_is_named() -> None:
    with pytest.raises(PyebpfError, match="helper is no probe: it is not decorated with a hook"):
        load(helper)  # type: ignore[arg-type]
    with pytest.raises(PyebpfError, match=r"is no probe: .*; write load\(\*…\) for the probes"):
        load([probe])  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["verbose", counts, None])
def test_an_option_has_its_declaration_as_its_key(key: object) -> None:
    for use in (load, compile_probes, testing.run, Probe.explain):
        with pytest.raises(PyebpfError, match=r"options: .* is no Const; the declaration itself"):
            use(probe, options={key: True})
