from pyebpf import *

cells = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe() -> None:
    cells[0]: u8 = 300
    cells[1] = 1
