"""Further kinds of maps in user space: queues, filters, tables of networks, storages."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network

import pytest

from pyebpf import (
    Array,
    ArrayOfMaps,
    BloomFilter,
    CgroupArray,
    Char,
    FixedArray,
    Global,
    Hash,
    LpmTrie,
    PerfEventArray,
    Queue,
    RawTracepointContext,
    Stack,
    TaskStorage,
    UserEvents,
    array,
    attach_cookie,
    chars,
    current_task,
    helpers,
    i64,
    ipv4,
    raw_tracepoint,
    record,
    u32,
    u64,
)
from pyebpf.errors import MapFullError
from pyebpf.testing import run
from tests import frozen

waiting = Queue[u64](max_entries=2)
newest = Stack[u64](max_entries=2)
seen = BloomFilter[u32](max_entries=16)
routes = LpmTrie[IPv4Address, u32](max_entries=16)
calls = TaskStorage[u64]()
out = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    number = ctx.args[0]
    waiting.push(number)
    newest.push(number, replace=True)
    out[0] = waiting.peek() or 0
    out[1] = newest.peek() or 0
    out[2] += number in seen
    seen.add(number)
    out[3] = routes.get(ipv4(number & 0xFFFFFFFF), 99)
    calls[current_task()] += number
    out[4] = calls.setdefault(current_task(), 5)


def test_they_are_what_they_are_in_the_kernel() -> None:
    with run(probe, target=frozen.target()) as t:
        table = t[routes]
        table[ip_network("10.0.0.0/8")] = 8
        table[ip_network("10.1.0.0/16")] = 16
        t.fire(probe, int.from_bytes(IPv4Address("10.1.2.3").packed, "little"))
        assert t[out][3] == 16
        for number in (2, 2, 4):
            t.fire(probe, number)
        assert t[out].snapshot()[1][:5].tolist()[1:4] == [4, 1, 99]
        assert t.lost() == {"waiting": 2}
        assert t[newest].take().tolist() == [4, 2]
        assert (t[waiting].pop() > 2, t[waiting].pop(), t[waiting].pop()) == (True, 2, None)
        t[waiting].push(1)
        t[waiting].push(2)
        with pytest.raises(MapFullError):
            t[waiting].push(3)
        assert 4 in t[seen]
        assert 5 not in t[seen]
        assert [str(key) for key in table] == ["10.0.0.0/8", "10.1.0.0/16"]
        del table[ip_network("10.0.0.0/8")]
        assert table.get(IPv4Address("10.9.9.9")) is None


sent = PerfEventArray[u64](pages=1)
groups = CgroupArray(max_entries=4)


@raw_tracepoint("sys_enter")
def send(ctx: RawTracepointContext) -> None:
    sent.emit(ctx.args[0])
    out[5] = groups.has_current(2)
    out[6] = attach_cookie()


def test_records_and_places() -> None:
    with run(send, target=frozen.target()) as t:
        t.fire(send, 5)
        t.fire(send, 6)
        assert (t[sent].read().tolist(), t[sent].read().tolist()) == ([5, 6], [])
        assert t[out][5] == 0
        t.set("cgroup_id", 77)
        t[groups][2] = 77
        t.set("attach_cookie", 1 << 63)
        assert t[out][6] == 0
        t.fire(send, 7)
        assert (t[out][5], t[out][6]) == (1, 1 << 63)


def test_a_value_belongs_to_its_object() -> None:
    with run(probe, target=frozen.target()) as t:
        first, second = (t.kernel("task_struct", pid=pid) for pid in (1, 2))
        for task, number in ((first, 3), (first, 4), (second, 5)):
            t.set("current_task", task)
            t.fire(probe, number)
        assert (t[calls][first], t[calls][second], t[out][4]) == (7, 5, 5)
        t[calls][first] = 1
        del t[calls][second]
        assert (t[calls].get(first), t[calls].get(second)) == (1, None)


@record
class Line:
    text: Char = chars(32)
    frames: FixedArray[u64] = array(4)
    number: i64


@raw_tracepoint("sys_enter")
def texts(ctx: RawTracepointContext) -> None:
    line = Line()
    words = [ctx.args[0], 255]
    out[0] = helpers.snprintf(line.text, 32, "%d of %04x", words, 16)
    out[1] = helpers.strncmp(line.text, 32, "-1 of 00ff") == 0
    out[2] = helpers.get_stack(ctx, line.frames, 32, 1)
    out[3] = line.frames[0]


def test_text_and_stacks() -> None:
    with run(texts, target=frozen.target()) as t:
        t.set("kernel_stack", (1, 2, 3))
        t.fire(texts, -1 & (1 << 64) - 1)
        assert t[out].snapshot()[1][:4].tolist() == [11, 1, 16, 2]


first = Hash[u32, u64](max_entries=4)
days = ArrayOfMaps(Hash[u32, u64](max_entries=4), (first,), max_entries=3)


@raw_tracepoint("sys_enter")
def sort(ctx: RawTracepointContext) -> None:
    day = days.get(ctx.args[0])
    if day is not None:
        day[7] += 1


def test_maps_of_maps() -> None:
    with run(sort, target=frozen.target()) as t:
        made = t[days].make(2)
        for number in (0, 1, 2, 2):
            t.fire(sort, number)
        assert (t[first].items(), made.items()) == ([(7, 1)], [(7, 2)])
        assert 1 not in t[days]
        t[days][1] = t[first]
        t.fire(sort, 1)
        assert t[days][1][7] == 2
        past = t[days].swap(1)
        t.fire(sort, 1)
        assert (past[7], t[days][1].pop(7), len(t[days][1])) == (2, 1, 0)
        assert list(t[days]) == [0, 2, 1]


turns = Global[u64](0)


@raw_tracepoint("sys_enter")
def turn() -> None:
    turns.value += 1


def test_a_global_is_one_variable() -> None:
    with run(turn, target=frozen.target()) as t:
        t.fire(turn)
        for several in (t[turns].take, t[turns].snapshot, t[turns].items, t[turns].table):
            with pytest.raises(TypeError, match="'turns' is one variable"):
                several()
        assert t[turns].value == 1
        t[turns].clear()
        assert t[turns].value == 0


commands = UserEvents[u64](pages=1)


@raw_tracepoint("sys_enter")
def obey() -> None:
    total = 0
    for number in commands:
        total += number
        if number == 9:
            break
    out[6] = total


def test_commands() -> None:
    with run(obey, target=frozen.target()) as t:
        for number in (1, 9, 5):
            t[commands].push(number)
        t.fire(obey)
        assert (t[out][6], t[commands].pending_bytes) == (10, 8)
        t.fire(obey)
        assert (t[out][6], t[commands].pending_bytes) == (5, 0)
