from pyebpf import *

seen = Hash[u32, u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    old = seen.pop(1)
    print(old)
