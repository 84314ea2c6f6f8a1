from pyebpf import *


@raw_tracepoint("sys_exit")
def other() -> None:
    pass


@raw_tracepoint("sys_enter")
def probe() -> None:
    other()
