"""Declarations: what they say of the map to make, and what they refuse when they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyebpf import (
    Array,
    Char,
    Const,
    Events,
    Hash,
    LinearHist,
    Log2Hist,
    LruHash,
    PerCpuArray,
    Ptr,
    StackTrace,
    chars,
    ktime_get_ns,
    raw_tracepoint,
    record,
    tp_btf,
    tracepoint,
    u8,
    u32,
    u64,
)
from pyebpf.abi.constants import BPF_F_MMAPABLE
from pyebpf.errors import PyebpfError
from pyebpf.kernel import request
from pyebpf.spec.types import U32, U64, Address, Record
from pyebpf.spec.types import Array as ArrayType


@record
class Row:
    pid: u32
    name: Char = chars(16)


def test_maps_with_keys() -> None:
    spec = Hash[Ptr[request], u64](max_entries=7).spec("started", 4)
    assert (spec.name, spec.kind, spec.key_size, spec.value_size) == ("started", "hash", 8, 8)
    assert (spec.max_entries, spec.flags) == (7, 0)
    assert (spec.key, spec.value) == (Address("request"), U64)
    assert LruHash[u32, Row]().spec("m", 4).kind == "lru_hash"
    assert LruHash[u32, Row]().spec("m", 4).value_size == 20
    assert Hash[u32, u64]().max_entries == 10_240
    pair = Hash[tuple[u8, u32], u64]().spec("m", 4).key
    assert isinstance(pair, Record)
    assert (pair.is_tuple, pair.size) == (True, 8)


def test_arrays_are_mapped_unless_each_cpu_has_its_own() -> None:
    spec = Array[u64](max_entries=3).spec("a", 4)
    assert (spec.kind, spec.key, spec.value, spec.flags) == ("array", U32, U64, BPF_F_MMAPABLE)
    spec = PerCpuArray[u64](max_entries=3).spec("a", 4)
    assert (spec.kind, spec.flags) == ("percpu_array", 0)


def test_a_histogram_has_a_row_for_each_cpu_or_key() -> None:
    spec = Log2Hist().spec("h", 4)
    assert (spec.kind, spec.max_entries, spec.value) == ("array", 4, ArrayType(U64, 64))
    spec = Log2Hist(totals=True).spec("h", 4)
    assert spec.value == ArrayType(U64, 72)  # 65 and what fills a cache line
    assert Log2Hist(totals=Const(False)).spec("h", 4).value == ArrayType(U64, 72)
    spec = LinearHist(slots=5, key=u8, max_keys=9).spec("h", 4)
    assert (spec.kind, spec.key_size, spec.max_entries) == ("percpu_hash", 1, 9)
    assert spec.value == ArrayType(U64, 5)


def test_events_are_a_ring_of_pages() -> None:
    spec = Events[Row](pages=2).spec("e", 4)
    assert (spec.kind, spec.max_entries, spec.value) == ("ringbuf", 8192, Row.__pyebpf_record__)  # type: ignore[attr-defined]


def test_options_say_how_large_a_buffer_is_and_where_a_map_is_pinned() -> None:
    pages, path = Const(8), Const("")
    sent = Events[Row](pages=pages)
    assert sent.spec("e", 4).max_entries == 8 * 4096
    assert sent.pages_with({pages: 16}) == 16
    with pytest.raises(PyebpfError, match="pages=3"):
        sent.pages_with({pages: 3})
    shared = Hash[u32, u64](max_entries=4, pin=path)
    assert (shared.pin, shared.chosen.pin_with({})) == (None, None)
    assert shared.chosen.pin_with({path: "/sys/fs/bpf/x"}) == "/sys/fs/bpf/x"
    with pytest.raises(PyebpfError, match="is no absolute path"):
        shared.chosen.pin_with({path: "x"})


def test_options_say_how_many_entries_there_are() -> None:
    room = Const(64)
    table, stacks = Hash[u32, u64](max_entries=room), StackTrace(max_entries=room)
    for decl in (table, stacks):
        assert decl.entries_option is room
    assert table.spec("m", 4).max_entries == 64
    assert table.entries_with({room: 100}) == 100
    # In each of the two maps, which have as many places as stacks were asked for.
    assert stacks.spec("m", 4).max_entries == 33
    assert stacks.entries_with({room: 100}) == 65
    assert StackTrace(max_entries=room, replace=True).spec("m", 4).max_entries == 64
    assert StackTrace(max_entries=room, stack_build_id=True).entries_with({room: 100}) == 128
    with pytest.raises(PyebpfError, match="Array: max_entries cannot be an option"):
        Array[u64](max_entries=room)
    with pytest.raises(PyebpfError, match="StackTrace: max_entries=0: a map holds at least 1"):
        StackTrace(max_entries=Const(0))
    for value, said in ((0, "at least 1 entry"), (1 << 32, "no map holds more"), ("x", "no whole")):
        for decl in (table, stacks):
            with pytest.raises(PyebpfError, match=f"max_entries={value!r}.*{said}"):
                decl.entries_with({room: value})


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "no room": (
        lambda: Hash[u32, u64](max_entries=0),
        "Hash: max_entries=0: a map holds at least 1 entry",
    ),
    "part of an entry": (
        lambda: Hash[u32, u64](max_entries=1.5),  # type: ignore[arg-type]
        "Hash: max_entries=1.5 is no whole number",
    ),
    "more than a map holds": (
        lambda: Array[u64](max_entries=1 << 40),
        "Array: max_entries=1099511627776: no map holds more than 4294967295",
    ),
    "more keys than a map holds": (
        lambda: Log2Hist[u32](max_keys=1 << 32),
        "Log2Hist: max_keys=4294967296: no map holds more than 4294967295",
    ),
    "no types": (
        lambda: Hash().spec("m", 1),
        "Hash needs its types: Hash[u32, u64](max_entries=1024)",
    ),
    "array without": (
        lambda: Array().spec("m", 1),
        "Array needs its type: Array[u64](max_entries=16)",
    ),
    "no width": (
        lambda: Hash[int, u64]().spec("m", 1),
        "Hash: <class 'int'> has no size in the kernel; use u8 … i64, …",
    ),
    "hist key": (
        lambda: Log2Hist(key=str).spec("m", 1),
        "key=<class 'str'> has no size in the kernel; use u8 … i64, …",
    ),
    "no slots": (
        lambda: LinearHist(slots=0),
        "LinearHist(slots=0, step=1): both must be at least 1",
    ),
    "no step": (
        lambda: LinearHist(step=0),
        "LinearHist(slots=64, step=0): both must be at least 1",
    ),
    "pages": (lambda: Events[Row](pages=3), "Events(pages=3): the kernel wants a power of two"),
    "no record": (
        lambda: Events[int]().shape(),
        "Events needs a type with a size: Events[Opened](pages=64)",
    ),
    "tracepoint": (
        lambda: tracepoint("sched_switch"),
        "@tracepoint('sched_switch'): write category:name, as in 'sched:sched_switch'",
    ),
    "no hook": (lambda: tp_btf(""), "@tp_btf needs a name: @tp_btf('sched_switch')"),
    "bare decorator": (
        lambda: raw_tracepoint(ktime_get_ns),  # type: ignore[arg-type]
        "@raw_tracepoint needs a name: @raw_tracepoint('sys_enter')",
    ),
    "decorated constant": (
        lambda: tp_btf("sched_switch")(5),
        "@tp_btf decorates a function, not 5",
    ),
    "option as bool": (
        lambda: bool(Const(False, "-v", "--verbose")),
        "--verbose has a value only in a probe or a session: use session.option(...)",
    ),
    "helper": (ktime_get_ns, "this function works in a probe only"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_where_it_is_written(case: str) -> None:
    make, message = WRONG[case]
    with pytest.raises(PyebpfError) as refusal:
        make()
    assert str(refusal.value) == message


table = Hash[u32, u64]()
VERBS: dict[str, Callable[[], Any]] = {
    "[]": lambda: table[1],
    "[] =": lambda: table.__setitem__(1, 2),
    "get()": lambda: table.get(1),
    "pop()": lambda: table.pop(1),
    "setdefault()": lambda: table.setdefault(1, 2),
    "del": lambda: table.__delitem__(1),
    "in": lambda: 1 in table,
    "add()": lambda: Log2Hist().add(1),
    "emit()": lambda: Events[Row]().emit(None),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_declaration_holds_nothing(verb: str) -> None:
    with pytest.raises(PyebpfError) as refusal:
        VERBS[verb]()
    assert str(refusal.value) == f"{verb} works in a probe; outside, use session[…], the open map"


def test_a_probe_is_not_called() -> None:
    @tp_btf("sched_switch")
    def probe() -> None:
        pass

    with pytest.raises(PyebpfError, match=r"probe runs in the kernel: load\(probe\) attaches it"):
        probe()


def test_decorators_stack() -> None:
    @tp_btf("sched_switch")
    @raw_tracepoint("sys_enter")
    def probe() -> None:
        pass

    assert [(h.kind, h.target) for h in probe.hooks] == [
        ("tp_btf", "sched_switch"), ("raw_tracepoint", "sys_enter")
    ]  # fmt: skip
