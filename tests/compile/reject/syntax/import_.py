from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    import os
    from errno import ENOENT

    print(ENOENT)
