from ipaddress import IPv4Address

from pyebpf import *

counts = Hash[u32, u64](max_entries=1_024, no_prealloc=True, numa_node=0)
recent = LruHash[u32, u64](max_entries=1_024, no_common_lru=True)
settings = Array[u64](max_entries=4, mmapable=False, rdonly_prog=True)
inner = Array[u64](max_entries=4, inner_map=True)
same = Hash[u32, u64](max_entries=16, zero_seed=True)
networks = LpmTrie[IPv4Address, u64](max_entries=16, rdonly=True)
events = Events[u64](pages=1, rb_overwrite=True)


@raw_tracepoint("sys_enter")
def probe() -> None:
    counts[tgid()] += settings[0]
    recent[tgid()] = inner[1]
    same[1] = 2
    networks[ipv4(tgid())] = 3
    events.emit(4)
