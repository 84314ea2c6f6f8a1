"""Look at every tenth event only."""

from pyebpf import Array, Global, raw_tracepoint, u64

EVERY = 10
seen = Global[u64](0)
looked = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe() -> None:
    if seen.fetch_add(1) % EVERY != 0:
        return
    looked[0] += 1
