"""Whatever Python writes to a map of any kind is read back: by key, in batches, by a program.

The types are random, the same in each run; the values are new ones in each. All programs are
loaded at once, and run when a test calls them.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyebpf
from pyebpf import Array, Session
from pyebpf.host.cpus import online, possible_count
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.prog_call import prog_test_run
from tests.kernel.random_types import annotation, hashable, values
from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel

N, ROOM = 4, 32
ON_CPU = 1  # BPF_F_TEST_RUN_ON_CPU
CPUS = possible_count()

#: What programs do: find values, and keep them beside a 1 for each that was found.
PROGRAM = """
@pyebpf.raw_tracepoint("sys_enter")
def {name}(ctx: pyebpf.RawTracepointContext) -> None:
"""
BY_KEY = """
    for i in range({n}):
        value = {map}.get({asked}[i])
        if value is not None:
            {seen}[i] = value
            {there}[i] = 1
"""
LONGEST = BY_KEY.replace("[i])", "[i].of)")
INSIDE = """
    inner = {map}.get(1)
    if inner is not None:
        for i in range({n}):
            value = inner.get({asked}[i])
            if value is not None:
                {seen}[i] = value
                {there}[i] = 1
"""
IN_ORDER = """
    for i in range({n}):
        value = {map}.pop()
        if value is not None:
            {seen}[i] = value
            {there}[i] = 1
"""
SENT = """
    i = 0
    for value in {map}:
        {seen}[i] = value
        {there}[i] = 1
        i += 1
"""
ASKED = """
    for i in range({n}):
        {there}[i] = {asked}[i] in {map}
"""
OF_TASK = """
    value = {map}.get(pyebpf.current_task())
    if value is not None:
        {seen}[0] = value
        {there}[0] = 1
"""


@pyebpf.record
class Address:
    """An array has no addresses by themselves."""

    of: IPv4Address


Pairs = list[tuple[Any, Any]]
Ask = Callable[..., list[Any]]


def a_hash(view: Any, pairs: Pairs, ask: Ask) -> None:
    view.clear()
    keys, wanted = map(list, zip(*pairs, strict=True))
    view[keys[0]] = wanted[0]
    view.update_many(keys[1:], wanted[1:])
    assert [view[key] for key in keys] == wanted
    assert same(view.items(), pairs)
    assert ask(keys) == wanted
    copied = view.snapshot()
    assert view.pop(keys[0]) == wanted[0]
    assert ask(keys[:1]) == [None]
    view.update_many(*copied)  # arrays of records, too
    taken = view.take()
    assert len(view) == 0
    view.update_many(*taken)
    assert same(view.items(), pairs)


def an_array(view: Any, pairs: Pairs, ask: Ask) -> None:
    wanted = [value for _, value in pairs]
    view.clear()
    view[ROOM - 1] = wanted[0]
    view.update_many(range(len(wanted)), wanted)
    assert [view[at] for at in range(len(wanted))] == view.values()[: len(wanted)] == wanted
    assert view.values()[-1] == wanted[0]
    assert ask([*range(len(wanted))]) == wanted
    copied = view.take()
    assert all(each == view[ROOM // 2] for each in view.values())
    view.update_many(*copied)
    assert ask([0, ROOM - 1]) == [wanted[0], wanted[0]]


def per_cpu(view: Any, pairs: Pairs, ask: Ask) -> None:
    """Give each CPU another value, and let each look."""
    keys, wanted = map(list, zip(*pairs, strict=True))
    if not hasattr(view, "pop"):
        keys = [*range(len(keys))]
    rows = [[wanted[(at + cpu) % len(wanted)] for cpu in range(CPUS)] for at in range(len(keys))]
    view.clear()
    view[keys[0]] = rows[0]
    view.update_many(keys[1:], rows[1:])
    python = view.layout.value.pythonic
    assert [python(view[key]) for key in keys] == rows
    found = [(key, python(row)) for key, row in view.items()]
    assert same(found[: len(keys)], list(zip(keys, rows, strict=True)))
    for cpu in online():
        assert ask(keys, cpu=cpu) == [row[cpu] for row in rows]
    copied = view.take()
    view.update_many(*copied)
    assert [python(view[key]) for key in keys] == rows


def inside(view: Any, pairs: Pairs, ask: Ask) -> None:
    keys, wanted = map(list, zip(*pairs, strict=True))
    with view.make(1) as inner:
        inner.update(pairs)
        assert ask(keys) == wanted
    with view.swap(1) as past:
        assert same(past.items(), pairs)
    assert ask(keys[:1]) == [None]
    assert view.keys() == [1]


def in_order(view: Any, pairs: Pairs, ask: Ask) -> None:
    wanted = [value for _, value in pairs]
    view.push(wanted[0])
    view.extend(wanted[1:])
    taken = wanted if view.spec.kind == "queue" else wanted[::-1]
    assert view.peek() == taken[0]
    assert ask([0] * len(wanted), write=False) == taken
    view.extend(wanted)
    assert view.value.pythonic(view.take()) == taken


def sent(view: Any, pairs: Pairs, ask: Ask) -> None:
    wanted = [value for _, value in pairs]
    for value in wanted:
        view.push(value)
    assert ask([0] * len(wanted), write=False) == wanted
    assert view.pending_bytes == 0


def a_filter(view: Any, pairs: Pairs, ask: Ask) -> None:
    keys = [key for key, _ in pairs]
    view.add(keys[0])
    view.update(keys)
    assert all(key in view for key in keys)
    assert None not in ask(keys)


def of_task(view: Any, pairs: Pairs, ask: Ask) -> None:
    value = pairs[0][1]
    view[os.getpid()] = value
    assert view[os.getpid()] == value
    assert ask([0], write=False) == [value]
    assert view.pop(os.getpid()) == value
    assert ask([0], write=False) == [None]


def networks(view: Any, pairs: Pairs, ask: Ask) -> None:
    """Cut addresses to networks of different lengths; the longest that fits an address counts."""
    view.clear()
    addresses = [key["of"] for key, _ in pairs]
    drawn = [IPv4Network((each, 8 * at), strict=False) for at, each in enumerate(addresses, 1)]
    wanted = dict(zip(drawn, (value for _, value in pairs), strict=True))
    view.update(wanted)
    assert same(view.items(), list(wanted.items()))
    fits = [max((net for net in drawn if a in net), key=lambda n: n.prefixlen) for a in addresses]
    longest = [wanted[net] for net in fits]
    assert [view[address] for address in addresses] == longest
    assert ask([key for key, _ in pairs]) == longest
    view.update_many(*view.take())
    assert same(view.items(), list(wanted.items()))


def same(found: Pairs, wanted: Pairs) -> bool:
    """Tell whether the same entries are there, in whatever order."""
    return len(found) == len(wanted) and all(pair in wanted for pair in found)


class Row(NamedTuple):
    """A kind of map: how it is declared, what is done with it, how a program reads it."""

    name: str
    declare: Callable[[Any, Any], Any]
    check: Callable[[Any, Pairs, Ask], None] = a_hash
    program: str = BY_KEY
    needs: str = "map:hash"
    key: Any = None


def inner(key: Any, value: Any) -> Any:
    return pyebpf.Hash[key, value](max_entries=ROOM)


ROWS = (
    Row("hash", inner),
    Row("no_prealloc", lambda k, v: pyebpf.Hash[k, v](max_entries=ROOM, no_prealloc=True)),
    Row("lru_hash", lambda k, v: pyebpf.LruHash[k, v](max_entries=1024)),
    Row("rhash", lambda k, v: pyebpf.RHash[k, v](max_entries=ROOM), needs="map:rhash"),
    Row("percpu_hash", lambda k, v: pyebpf.PerCpuHash[k, v](max_entries=ROOM), per_cpu),
    Row("lru_percpu_hash", lambda k, v: pyebpf.LruPerCpuHash[k, v](max_entries=1024), per_cpu),
    Row("array", lambda _, v: Array[v](max_entries=ROOM), an_array, key=pyebpf.u32),
    Row(
        "unmapped",
        lambda _, v: Array[v](max_entries=ROOM, mmapable=False),
        an_array,
        key=pyebpf.u32,
    ),
    Row(
        "constant",
        lambda _, v: Array[v](max_entries=ROOM, rdonly_prog=True),
        an_array,
        key=pyebpf.u32,
    ),
    Row(
        "percpu_array",
        lambda _, v: pyebpf.PerCpuArray[v](max_entries=N),
        per_cpu,
        key=pyebpf.u32,
    ),
    Row(
        "lpm_trie",
        lambda _, v: pyebpf.LpmTrie[IPv4Address, v](max_entries=ROOM),
        networks,
        LONGEST,
        key=Address,
    ),
    Row(
        "array_of_maps",
        lambda k, v: pyebpf.ArrayOfMaps(inner(k, v), max_entries=4),
        inside,
        INSIDE,
    ),
    Row(
        "hash_of_maps",
        lambda k, v: pyebpf.HashOfMaps(inner(k, v), key=pyebpf.u32),
        inside,
        INSIDE,
    ),
    Row("queue", lambda _, v: pyebpf.Queue[v](max_entries=N), in_order, IN_ORDER),
    Row("stack", lambda _, v: pyebpf.Stack[v](max_entries=N), in_order, IN_ORDER),
    Row(
        "bloom_filter",
        lambda k, _: pyebpf.BloomFilter[k](max_entries=64),
        a_filter,
        ASKED,
        "map:bloom_filter",
    ),
    Row(
        "user_ringbuf",
        lambda _, v: pyebpf.UserEvents[v](pages=1),
        sent,
        SENT,
        "map:user_ringbuf",
    ),
    Row(
        "task_storage",
        lambda _, v: pyebpf.TaskStorage[v](),
        of_task,
        OF_TASK,
        "helper:task_storage_get@raw_tp",
    ),
)


class Programs:
    """The programs, loaded: one for each row that this kernel has maps for."""

    def __init__(self, session: Session, module: ModuleType) -> None:
        self.session, self.module = session, module

    def view(self, name: str, what: str = "map") -> Any:
        return self.session[getattr(self.module, f"{what}_{name}")]

    def asker(self, name: str) -> Ask:
        asked, seen, there = (
            getattr(self.module, f"{what}_{name}") for what in ("asked", "seen", "there")
        )

        def ask(keys: list[Any], *, cpu: int | None = None, write: bool = True) -> list[Any]:
            """Let the program look: what it found for each key, None for nothing."""
            self.session[there].clear()
            if write:
                self.session[asked].update_many(range(len(keys)), keys)
            program = self.session._loaded.programs[name].fd
            if cpu is None:
                fire(self.session, name)
            else:
                prog_test_run(program, ctx=bytes(8), flags=ON_CPU, cpu=cpu)
            found = self.session[there].values()
            if "bloom" in name:
                return [True if found[at] else None for at in range(len(keys))]
            return [self.session[seen][at] if found[at] else None for at in range(len(keys))]

        return ask


#: What the types are made from. With the first, queues have bit-fields and keys have holes.
SEEDS = [101, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in (20, 116, 117))]


@pytest.fixture(scope="module", params=SEEDS)
def programs(request: pytest.FixtureRequest) -> Iterator[Programs]:
    rng, features = random.Random(request.param), KernelFeatures()
    names: dict[str, Any] = {"pyebpf": pyebpf}
    text, known = "from __future__ import annotations\n", []
    for row in ROWS:
        key, value = annotation(rng), annotation(rng)  # of rows that are left out as well
        if not features.has(row.needs):
            continue
        key = row.key or key
        names[f"map_{row.name}"] = row.declare(key, value)
        names[f"asked_{row.name}"] = Array[key](max_entries=N)
        names[f"seen_{row.name}"] = Array[value](max_entries=N)
        names[f"there_{row.name}"] = Array[pyebpf.u32](max_entries=N)
        words = {word: f"{word}_{row.name}" for word in ("map", "asked", "seen", "there")}
        text += (PROGRAM + row.program.lstrip("\n")).format(**words, name=row.name, n=N)
        known.append(row.name)
    module = cell(text, **names)
    with loaded(*(getattr(module, name) for name in known)) as session:
        yield Programs(session, module)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_written_is_read_back(programs: Programs, row: Row) -> None:
    if not hasattr(programs.module, row.name):
        pytest.skip(f"this kernel has no {row.needs}")
    of_key = getattr(programs.module, f"asked_{row.name}").key_and_value()[1]
    of_value = getattr(programs.module, f"seen_{row.name}").key_and_value()[1]
    pairs = st.lists(
        st.tuples(values(of_key), values(of_value)),
        min_size=1,
        max_size=N,
        unique_by=lambda pair: hashable(pair[0]),
    )

    # Few, since emulated machines run them; the types are many already.
    @settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(pairs)
    def check(drawn: Pairs) -> None:
        row.check(programs.view(row.name), drawn, programs.asker(row.name))

    check()
