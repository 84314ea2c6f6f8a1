"""What Python does with open maps."""

from ipaddress import IPv4Address, ip_network

import numpy as np

from pyebpf import (
    Array,
    ArrayOfMaps,
    BloomFilter,
    Char,
    DevMap,
    Global,
    Hash,
    LpmTrie,
    Queue,
    Table,
    TaskStorage,
    chars,
    load,
    raw_tracepoint,
    record,
    tgid,
    u32,
    u64,
)


@record
class Calls:
    count: u64
    comm: Char = chars(16)


calls = Hash[u32, Calls](max_entries=64)
cells = Array[u64](max_entries=4)
waiting = Queue[u64](max_entries=4)
seen = BloomFilter[u64](max_entries=64)
routes = LpmTrie[IPv4Address, u32](max_entries=16)
started = TaskStorage[u64]()
devices = DevMap(max_entries=4)
turns = ArrayOfMaps(Hash[u32, u64](max_entries=4), max_entries=2)
last = Global[u64](0)


@raw_tracepoint("sys_enter")
def enter() -> None:
    cells[0] += 1
    last.value = tgid()


with load(enter) as session:
    keys, values = session[calls].take()
    session[calls].update_many(keys, values)
    session[calls].update({1: (2, "sh")})
    print(values["count"].sum(), session[calls].pop(1), [*session[calls]])
    table: Table = session[calls].table()
    print(len(table), table.names, Table(values, Calls), Table.of_entries(keys, values))
    live: np.ndarray = session[cells].view()
    live[0] = session[cells].snapshot()[1].max()
    session[waiting].extend([1, 2], replace=True)
    session[seen].update(session[waiting].take())
    session[routes].update({ip_network("10.0.0.0/8"): 1})
    session[started].pop(1, 0)
    print(session[devices].items(), len(session[devices]))
    with session[turns].swap(0) as past:
        print(past.items(), session[turns].keys())
    print(session[last].value, session[last].view())
