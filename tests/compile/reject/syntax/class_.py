from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    class Row:
        pid: u32
