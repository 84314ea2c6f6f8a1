"""Map views against the kernel: what is stored comes back, whatever kind and way of reading."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pyebpf
from pyebpf.abi import constants as c
from pyebpf.abi import insn as i
from pyebpf.errors import KernelError, MapFullError
from pyebpf.host.cpus import possible_count
from pyebpf.present.hist import Hist
from pyebpf.present.keyed import KeyedHist
from pyebpf.runtime import syscall
from pyebpf.runtime.map_fd import create_map
from pyebpf.runtime.maps import ArrayMap, HashMap, HistView, MapHandle, PerCpuArrayMap, open_map
from pyebpf.spec.aggregates import HistogramSpec
from pyebpf.spec.dtype import numpy_dtype
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import I32, U32, U64, Array, Chars, DataType, record

pytestmark = pytest.mark.kernel

KINDS = {
    "hash": c.BPF_MAP_TYPE_HASH,
    "array": c.BPF_MAP_TYPE_ARRAY,
    "percpu_hash": c.BPF_MAP_TYPE_PERCPU_HASH,
    "percpu_array": c.BPF_MAP_TYPE_PERCPU_ARRAY,
    "lru_hash": c.BPF_MAP_TYPE_LRU_HASH,
    "lru_percpu_hash": c.BPF_MAP_TYPE_LRU_PERCPU_HASH,
    "lpm_trie": c.BPF_MAP_TYPE_LPM_TRIE,
    "prog_array": c.BPF_MAP_TYPE_PROG_ARRAY,
}
PAIR = record("pair", [("_0", U32), ("_1", U64)], is_tuple=True)
OPENED = record("Opened", [("pid", U32), ("ret", I32), ("comm", Chars(16))])
CPUS = possible_count()
ON_CPU = 1  # BPF_F_TEST_RUN_ON_CPU

BATCHES = {c.BPF_MAP_LOOKUP_BATCH, c.BPF_MAP_LOOKUP_AND_DELETE_BATCH}
TAKE_ONE = c.BPF_MAP_LOOKUP_AND_DELETE_ELEM

Open = Callable[..., Any]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Give a function that creates and opens a map; all are closed afterwards."""
    handles: list[MapHandle] = []

    def create(
        kind: str, key: DataType = U32, value: DataType = U64, n: int = 64, flags: int = 0
    ) -> MapHandle:
        fd = syscall.map_create(KINDS[kind], key.size, value.size, n, flags=flags, name="seen")
        spec = MapSpec("seen", kind, key.size, value.size, n, flags, key, value)
        handles.append(open_map(fd, spec))
        return handles[-1]

    yield create
    for handle in handles:
        handle.close()


HASHES = ["hash", "lru_hash"]
PER_CPU_HASHES = ["percpu_hash", "lru_percpu_hash"]


@pytest.mark.parametrize("kind", HASHES)
def test_a_hash_is_a_mapping(opened: Open, kind: str) -> None:
    seen = opened(kind)
    assert isinstance(seen, HashMap)
    seen[7] = 70
    seen[np.uint32(9)] = np.int64(90)
    assert seen[7] == 70
    assert type(seen[9]) is int
    assert 7 in seen
    assert 8 not in seen
    assert seen.get(8) is None
    assert seen.get(8, 1) == 1
    assert sorted(seen) == [7, 9]
    assert len(seen) == 2
    assert sorted(seen.items()) == [(7, 70), (9, 90)]
    assert sorted(seen.values()) == [70, 90]
    del seen[7]
    assert seen.pop(9) == 90
    assert seen.pop(9, "gone") == "gone"
    assert list(seen.items()) == []
    assert seen  # an empty map is still a map


def test_a_key_that_is_not_there_is_named(opened: Open) -> None:
    seen = opened("hash")
    with pytest.raises(KeyError, match="5"):
        seen[5]
    with pytest.raises(KeyError, match="5"):
        del seen[5]


def test_what_does_not_fit_is_refused_with_the_limits(opened: Open) -> None:
    seen = opened("hash")
    with pytest.raises(
        ValueError, match=r"key of map 'seen': -1 .* u32, which holds 0 to 4294967295"
    ):
        seen[-1] = 0
    with pytest.raises(ValueError, match="value of map 'seen'"):
        seen[1] = 1 << 64
    with pytest.raises(TypeError, match="takes an integer"):
        seen["one"] = 1
    assert len(seen) == 0


def test_tuple_keys_and_record_values(opened: Open) -> None:
    seen = opened("hash", PAIR, OPENED)
    seen[3, 1 << 40] = {"pid": 5, "ret": -2, "comm": "sh"}
    value = seen[3, 1 << 40]
    assert (value.pid, value["ret"], value.comm) == (5, -2, "sh")
    assert seen.items() == [((3, 1 << 40), value)]
    keys, values = seen.snapshot()
    assert keys["_1"].tolist() == [1 << 40]
    assert values["comm"].tolist() == [b"sh"]


def test_a_full_map_says_its_name_and_what_to_do(opened: Open) -> None:
    seen = opened("hash", n=4)
    for key in range(4):
        seen[key] = key
    with pytest.raises(MapFullError, match=r"map 'seen' .* 4 entries; .* larger max_entries="):
        seen[4] = 4
    seen[3] = 33
    with pytest.raises(MapFullError, match="'seen'"):
        seen.update_many(np.arange(100, 120, dtype=np.uint32), np.arange(20, dtype=np.uint64))
    assert len(seen) == 4


@pytest.mark.parametrize("kind", [*HASHES, *PER_CPU_HASHES])
def test_many_entries_come_back_by_batches_and_one_by_one(opened: Open, kind: str) -> None:
    n = 3_000
    seen = opened(kind, n=20_000)
    keys = np.arange(n, dtype=np.uint32) * 7
    seen.update_many(keys, keys.astype(np.uint64) + 1)
    assert not seen._reader.lacking
    seen._reader._count = 64  # so that there are many batches, and buckets that do not fit one
    found, values = seen.snapshot()
    assert not seen._reader.lacking
    seen._reader.lacking |= BATCHES
    slowly, slow_values = seen.snapshot()
    for got, of in ((found, values), (slowly, slow_values)):
        order = np.argsort(got)
        assert (got[order] == keys).all()
        expected = keys.astype(np.uint64) + 1
        shape = (n, CPUS) if kind in PER_CPU_HASHES else (n,)
        assert of.shape == shape
        assert (of[order].reshape(n, -1) == expected[:, None]).all()


@pytest.mark.parametrize("lacking", [set(), BATCHES, BATCHES | {TAKE_ONE}])
@pytest.mark.parametrize("kind", [*HASHES, "percpu_hash"])
def test_take_copies_and_removes(opened: Open, kind: str, lacking: set[int]) -> None:
    seen = opened(kind, n=4096)
    seen._reader.lacking |= lacking
    seen.update_many(list(range(1, 24)), list(range(23)))
    keys, values = seen.take()
    assert sorted(keys.tolist()) == list(range(1, 24))
    assert values.sum() == sum(range(23)) * (CPUS if kind == "percpu_hash" else 1)
    assert len(seen) == 0
    assert len(seen.take()[0]) == 0


def test_a_kind_without_batches_is_read_all_the_same(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> Any:
        raise KernelError(524, "not supported")

    monkeypatch.setattr(syscall, "map_lookup_batch", refuse)
    monkeypatch.setattr(syscall, "map_update_batch", refuse)
    seen = opened("hash")
    seen.update_many([1, 2], [10, 20])
    assert sorted(seen.items()) == [(1, 10), (2, 20)]
    assert seen._reader.lacking == {c.BPF_MAP_LOOKUP_BATCH}
    assert sorted(seen.take()[0].tolist()) == [1, 2]
    assert len(seen) == 0


def test_other_errors_of_a_batch_are_not_swallowed(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> Any:
        raise KernelError(errno.EPERM, "no")

    monkeypatch.setattr(syscall, "map_lookup_batch", refuse)
    with pytest.raises(KernelError, match="no"):
        opened("hash").snapshot()


@pytest.mark.parametrize("value", [U32, U64, Array(U32, 3), OPENED])
@pytest.mark.parametrize("kind", PER_CPU_HASHES)
def test_per_cpu_values_have_a_row_for_each_cpu(opened: Open, kind: str, value: DataType) -> None:
    seen = opened(kind, value=value)
    one: Any = {U32: 4, U64: 4, Array(U32, 3): [1, 2, 3], OPENED: (1, -1, "x")}[value]
    seen[5] = one
    seen[6] = [one] * CPUS
    assert (seen[5] == seen[6]).all()
    assert len(seen[5]) == CPUS
    keys, values = seen.snapshot()
    assert values.shape[:2] == (2, CPUS)
    assert (values[0] == seen[int(keys[0])]).all()
    with pytest.raises(ValueError, match=f"for {CPUS} possible CPUs"):
        seen[5] = [one] * (CPUS + 1)


def test_per_cpu_values_may_differ(opened: Open) -> None:
    seen = opened("percpu_hash", value=U32)
    seen.update_many([1, 2], [list(range(CPUS)), 9])
    assert seen[1].tolist() == list(range(CPUS))
    assert seen[2].tolist() == [9] * CPUS
    rows = np.arange(2 * CPUS, dtype=np.uint32).reshape(2, CPUS)
    seen.update_many(np.array([1, 2]), rows)
    assert seen[2].tolist() == rows[1].tolist()


def test_a_prefix_tree_is_read_one_way_or_the_other(opened: Open) -> None:
    routes = opened("lpm_trie", key=Array(U32, 2), flags=c.BPF_F_NO_PREALLOC)
    routes[24, 0x0000A8C0] = 1
    assert routes[32, 0x0700A8C0] == 1  # 192.168.0.7 is in 192.168.0.0/24
    assert routes.items() == [((24, 0x0000A8C0), 1)]


@pytest.mark.parametrize("flags", [0, c.BPF_F_MMAPABLE])
@pytest.mark.parametrize("value", [U32, U64, OPENED, Array(U64, 3)])
def test_arrays_read_the_same_in_place_and_by_calls(
    opened: Open, value: DataType, flags: int
) -> None:
    table = opened("array", value=value, n=10, flags=flags)
    assert isinstance(table, ArrayMap)
    one: Any = {U32: 4, U64: 4, Array(U64, 3): (1, 2, 3), OPENED: (1, -1, "x")}[value]
    table[3] = one
    assert table[3] == one or tuple(table[3].values()) == one
    assert len(table) == 10
    keys, values = table.snapshot()
    assert keys.tolist() == list(range(10))
    assert np.flatnonzero([v.tobytes().strip(b"\0") for v in values]).tolist() == [3]
    assert table.values()[3] == table[3]
    assert table.take()[1][3].tobytes() == values[3].tobytes()
    assert not any(v.tobytes().strip(b"\0") for v in table.snapshot()[1])
    with pytest.raises(IndexError, match="elements 0 to 9, not 10"):
        table[10]
    assert table.get(10) is None
    assert 9 in table
    assert -1 not in table


def made(declaration: Any) -> Any:
    """Create the map of a declaration, and open it."""
    spec = declaration.spec("seen", CPUS)
    return open_map(create_map(spec).fd, spec)


def test_an_array_with_one_side_is_not_mapped() -> None:
    with made(pyebpf.Array[pyebpf.u64](max_entries=4, rdonly=True)) as table:
        assert table[1] == 0
        assert table.snapshot()[1].tolist() == [0] * 4
        for write in (
            lambda: table.__setitem__(1, 5),
            table.clear,
            lambda: table.update_many([1], [5]),
        ):
            with pytest.raises(KernelError, match="rdonly=True, user space can only read it"):
                write()
        with pytest.raises(TypeError, match="only read or only write"):
            table.view()
    with made(pyebpf.Array[pyebpf.u64](max_entries=4, wronly=True)) as table:
        table[1] = 5
        with pytest.raises(KernelError, match="wronly=True, user space can only write it"):
            table.snapshot()


def test_what_programs_may_only_read_is_seen_in_place_and_written_by_calls() -> None:
    with made(pyebpf.Array[pyebpf.u64](max_entries=4, rdonly_prog=True)) as table:
        live = table.view()
        assert not live.flags.writeable
        table[1] = 5
        table.update_many([2], [6])
        assert live.tolist() == [0, 5, 6, 0] == table.values()
        table.clear()
        assert live.tolist() == [0] * 4


def test_the_entries_of_a_dict_are_stored_at_once(opened: Open) -> None:
    seen = opened("hash")
    seen.update({1: 10, 2: 20})
    seen.update([(2, 21), (3, 30)])
    seen.update({})
    assert dict(seen.items()) == {1: 10, 2: 21, 3: 30}


def test_holes_in_records_are_no_part_of_a_key(opened: Open) -> None:
    holed = record("holed", [("a", U32), ("b", U64)])
    seen = opened("hash", key=holed)
    keys = np.frombuffer(bytearray(b"\xff" * 32), numpy_dtype(holed)).copy()
    keys["a"], keys["b"] = 1, [2, 3]
    seen.update_many(keys, np.array([20, 30]))
    assert seen[1, 2] == 20
    assert seen[1, 3] == 30
    seen.update_many(*seen.snapshot())
    assert len(seen) == 2


def test_entries_become_tables(opened: Open) -> None:
    seen = opened("percpu_hash", key=PAIR, value=OPENED)
    seen[3, 4] = (5, -2, "sh")
    table = seen.table()
    assert table.names == ("key_0", "key_1", "value")  # a list of records, one for each CPU
    assert len(table) == 1
    assert opened("hash", key=PAIR, value=OPENED).table().names[2:] == ("pid", "ret", "comm")


def test_a_view_is_live_in_both_directions(opened: Open) -> None:
    table = opened("array", value=U32, n=5, flags=c.BPF_F_MMAPABLE)
    view = table.view()
    assert view.strides == (8,)
    plain = ArrayMap(os.dup(table.fd), MapSpec("same", "array", 4, 4, 5, 0, U32, U32))
    with plain:
        plain[2] = 77
        assert view.tolist() == [0, 0, 77, 0, 0]
        view[4] = 5
        assert plain[4] == 5
    table.close()
    assert view[2] == 77


def test_what_is_not_mapped_has_no_view(opened: Open) -> None:
    with pytest.raises(TypeError, match="BPF_F_MMAPABLE"):
        opened("array").view()


def test_a_frozen_array_is_read_only() -> None:
    fd = syscall.map_create(c.BPF_MAP_TYPE_ARRAY, 4, 8, 1, flags=c.BPF_F_MMAPABLE)
    syscall.map_freeze(fd)
    flags = c.BPF_F_MMAPABLE
    with ArrayMap(fd, MapSpec("fixed", "array", 4, 8, 1, flags, U32, U64, frozen=True)) as fixed:
        assert fixed[0] == 0
        assert not fixed.view().flags.writeable
        with pytest.raises(TypeError, match="'fixed' is read-only"):
            fixed[0] = 1


def test_per_cpu_arrays(opened: Open) -> None:
    table = opened("percpu_array", value=U32, n=3)
    assert isinstance(table, PerCpuArrayMap)
    table[1] = list(range(10, 10 + CPUS))
    keys, values = table.snapshot()
    assert keys.tolist() == [0, 1, 2]
    assert values.shape == (3, CPUS)
    assert values[1].tolist() == table[1].tolist() == list(range(10, 10 + CPUS))
    table.clear()
    assert not table.snapshot()[1].any()


def test_other_kinds_are_owned_but_not_read(opened: Open) -> None:
    handle = opened("prog_array", value=U32)
    assert type(handle) is MapHandle
    handle.close()
    handle.close()
    assert handle.fileno() == -1


def test_a_closed_map_says_so(opened: Open) -> None:
    for kind in ("hash", "array"):
        seen = opened(kind)
        seen.close()
        for use in (
            seen.snapshot,
            lambda seen=seen: seen[1],
            lambda seen=seen: seen.update_many([1], [1]),
        ):
            with pytest.raises(ValueError, match="'seen' is closed"):
                use()


def add(fd: int, cpu_row: bool, slot: int, times: int) -> int:
    """Load a program that adds 1 to ``slot`` of the row of the CPU it runs on, ``times`` times."""
    body = (
        i.ldx_mem(i.DW, 1, 0, slot * 8), i.alu64_imm(i.ADD, 1, 1), i.stx_mem(i.DW, 0, 1, slot * 8),
        i.alu64_imm(i.SUB, 6, 1),
    )  # fmt: skip
    row = (i.call(8),) if cpu_row else (i.mov64_imm(0, 1),)  # bpf_get_smp_processor_id
    code = i.assemble(
        row, i.stx_mem(i.W, 10, 0, -4), i.ld_map_fd(1, fd),
        i.mov64_reg(2, 10), i.alu64_imm(i.ADD, 2, -4), i.call(1),
        i.jmp_imm(i.JEQ, 0, 0, len(body) + 2), i.mov64_imm(6, times),
        body, i.jmp_imm(i.JNE, 6, 0, -len(body) - 1), i.mov64_imm(0, 0), i.exit_insn(),
    )  # fmt: skip
    program, _ = syscall.prog_load(c.BPF_PROG_TYPE_RAW_TRACEPOINT, code, "GPL", name="add")
    return program


def histogram(rows: Any, **words: Any) -> HistView:
    return HistView(rows, HistogramSpec(**{"kind": "log2", "unit": "", **words}))


def run_on(program: int, cpu: int) -> None:
    syscall.prog_test_run(program, flags=ON_CPU, cpu=cpu)


@pytest.mark.parametrize("flags", [0, c.BPF_F_MMAPABLE])
def test_a_histogram_sums_over_cpus(opened: Open, flags: int) -> None:
    rows = opened("array", value=Array(U64, 65), n=CPUS, flags=flags)
    latency = histogram(rows, unit="us", totals=True)
    program, total = add(rows.fd, True, 4, 3), add(rows.fd, True, 64, 50)
    try:
        for cpu in range(CPUS):
            run_on(program, cpu)
            run_on(total, cpu)
    finally:
        os.close(program)
        os.close(total)
    hist = latency.snapshot()
    assert isinstance(hist, Hist)
    assert hist.counts.tolist() == [0] * 4 + [3 * CPUS] + [0] * 59
    assert hist.total == 50 * CPUS
    assert hist.mean == pytest.approx(50 / 3)
    assert latency.counts.shape == (64,)
    assert str(latency).splitlines()[-1].startswith("        16 -> 31         :")
    assert "<svg" in latency._repr_html_()
    with pytest.raises(TypeError, match="no key"):
        latency.top(3)


@pytest.mark.parametrize("flags", [0, c.BPF_F_MMAPABLE])
def test_taking_never_writes_and_never_loses(opened: Open, flags: int) -> None:
    rows = opened("array", value=Array(U64, 64), n=CPUS, flags=flags)
    latency = histogram(rows)
    program = add(rows.fd, True, 1, 100)
    turns, taken = 300, []
    try:
        runner = threading.Thread(target=lambda: [run_on(program, t % CPUS) for t in range(turns)])
        runner.start()
        while runner.is_alive():
            taken.append(latency.take())
        runner.join()
        taken.append(latency.take())
    finally:
        os.close(program)
    assert sum(hist.count for hist in taken) == turns * 100
    assert latency.snapshot().count == turns * 100
    latency.clear()
    assert latency.snapshot().count == latency.take().count == 0
    assert rows.snapshot()[1].sum() == turns * 100  # the kernel's own count goes on


def test_a_keyed_histogram_takes_what_is_new_for_each_key(opened: Open) -> None:
    rows = opened("percpu_hash", value=Array(U64, 65))
    latency = histogram(rows, unit="us", totals=True, key=U32)
    row = np.zeros((CPUS, 65), np.uint64)
    row[:, 3], row[:, 64] = 5, 60
    rows.update_many([1, 2], [row, row])
    first = latency.take()
    assert isinstance(first, KeyedHist)
    assert first[1].counts[3] == 5 * CPUS
    assert first[2].total == 60 * CPUS
    program = add(rows.fd, False, 7, 4)  # key 1
    try:
        run_on(program, CPUS - 1)
    finally:
        os.close(program)
    second = latency.take()
    assert list(second) == [1]
    assert (second[1].count, int(second[1].counts[7])) == (4, 4)
    assert latency.snapshot().count == 10 * CPUS + 4
    assert list(latency.top(1)) == [1]
    assert latency.counts[3] == 10 * CPUS
    latency.clear()
    assert len(latency.snapshot()) == len(rows) == len(latency.take()) == 0


def test_a_key_made_anew_counts_from_nothing(opened: Open) -> None:
    rows = opened("percpu_hash", value=Array(U64, 4))
    seen = histogram(rows, kind="linear", slots=4, key=U32)
    row = np.zeros((CPUS, 4), np.uint64)
    row[0, 3] = 9
    rows[1] = row
    assert seen.take()[1].count == 9
    row[0, 3] = 2  # as after an LRU map dropped the key
    rows[1] = row
    assert seen.take()[1].count == 2


def test_a_histogram_over_the_wrong_map_is_refused(opened: Open) -> None:
    with pytest.raises(ValueError, match="64 cells of 8 bytes; its map's values have 8"):
        histogram(opened("array"))
    with pytest.raises(TypeError, match="has a key"):
        histogram(opened("array", value=Array(U64, 64)), key=U32)
    with pytest.raises(TypeError, match="no key"):
        histogram(opened("percpu_hash", value=Array(U64, 64)))


@pytest.mark.parametrize("flags", [0, c.BPF_F_MMAPABLE])
def test_a_closed_histogram_says_so(opened: Open, flags: int) -> None:
    latency = histogram(opened("array", value=Array(U64, 64), n=CPUS, flags=flags))
    latency.close()
    with pytest.raises(ValueError, match="'seen' is closed"):
        latency.snapshot()
