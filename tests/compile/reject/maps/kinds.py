"""What queues, filters, tables of networks and storages refuse."""

from ipaddress import IPv4Address

from pyebpf import *

waiting = Queue[u64](max_entries=64)
seen = BloomFilter[u64](max_entries=64)
routes = LpmTrie[IPv4Address, u32](max_entries=64)
numbers = LpmTrie[u32, u32](max_entries=64)
calls = TaskStorage[u64]()
inodes = InodeStorage[u64]()
fixed = Array[u64](max_entries=4, rdonly_prog=True)
out = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    out[0] = waiting.pop()
    waiting.push(1, 2)
    waiting.push(1, replace=tgid() > 5)
    waiting.push(1, force=True)
    waiting.get(1)
    seen.pop()
    for key in routes:
        out[0] = 1
    routes[IPv4Address("10.0.0.0"), 33] = 1
    numbers[1] = 1
    calls[5] += 1
    calls[current_task().mm] += 1
    calls.get(current_task(), 5, create=True)
    calls.get(current_task(), make=True)
    inodes[current_task()] = 1
    fixed[0] = 1
    fixed[0] += 1
