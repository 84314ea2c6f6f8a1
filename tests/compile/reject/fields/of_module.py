import errno

from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(errno.ENOENTT)
