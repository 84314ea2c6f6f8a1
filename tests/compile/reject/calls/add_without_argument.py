from pyebpf import *

latency = Log2Hist()


@raw_tracepoint("sys_enter")
def probe() -> None:
    latency.add()
