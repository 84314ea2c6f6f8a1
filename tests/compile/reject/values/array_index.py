from pyebpf import *

rows = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    rows[4] = 1
    print(rows[-5])
    rows["a"] = 1
