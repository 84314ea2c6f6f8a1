import time

from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(time.monotonic())
    print(sorted((2, 1)))
