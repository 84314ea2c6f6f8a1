from pyebpf import *

latency = Log2Hist(unit="us")


@raw_tracepoint("sys_enter")
def probe() -> None:
    latency.add(comm())
