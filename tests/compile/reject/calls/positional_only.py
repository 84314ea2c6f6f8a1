from pyebpf import *

cells = Array[u64](max_entries=2)


def twice(n: u64, /, times: u64 = 2) -> u64:
    return n * times


@raw_tracepoint("sys_enter")
def probe() -> None:
    cells[0] = twice(times=3, n=4)
    cells[1] = twice(5, times=6)
