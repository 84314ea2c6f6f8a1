from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    half = tgid() * 0.5
