from pyebpf import *

calls = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
@raw_tracepoint("sys_exit")
def either() -> None:
    calls[0] += 1
