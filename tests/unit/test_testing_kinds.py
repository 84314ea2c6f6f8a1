"""Further kinds of maps in user space: queues, filters, tables of networks, storages."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network

import pytest

from pyebpf import (
    Array,
    BloomFilter,
    LpmTrie,
    Queue,
    RawTracepointContext,
    Stack,
    TaskStorage,
    current_task,
    ipv4,
    raw_tracepoint,
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
