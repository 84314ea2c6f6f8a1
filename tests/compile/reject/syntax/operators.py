from pyebpf import *

cells = Array[i64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    a = tgid() / 2
    b = tgid() ** -2
    c = tgid() @ 2
    d = 3 ** tgid()
    e = tgid() ** tgid()
    f = 2**100
    cells[0] **= 2
    g = tgid()
    g /= 2
