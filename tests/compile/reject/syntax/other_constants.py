from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    a = 1j
    b = b""
    c = ...
