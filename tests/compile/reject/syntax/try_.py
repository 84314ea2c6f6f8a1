from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    try:
        print(1)
    except ValueError:
        pass
