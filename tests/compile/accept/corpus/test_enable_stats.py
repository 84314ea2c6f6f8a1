from pyebpf import *

count = Global[u64](0)


@raw_tracepoint("sys_enter")
def counted() -> None:
    count.value += 1
