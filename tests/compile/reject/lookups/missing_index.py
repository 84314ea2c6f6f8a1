from pyebpf import *

rows = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(rows[cpu()])
