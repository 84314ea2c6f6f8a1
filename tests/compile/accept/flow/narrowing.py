from pyebpf import *

seen = Hash[u32, u64](max_entries=4)
out = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe() -> None:
    first = seen.get(1)
    if first is None:
        return
    out[0] = first
    if (second := seen.get(2)) and second > 4:
        out[1] = second
    out[2] = seen.get(3) or 7
