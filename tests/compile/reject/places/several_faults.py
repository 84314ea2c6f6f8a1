from pyebpf import *

seen = Hash[u32, u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    a = missing
    b = seen.get(1) + 1
    print(a, b, unknown)


@raw_tracepoint("sys_exit")
def other() -> None:
    print(gone)
