from pyebpf import *

plain = Log2Hist()
keyed = Log2Hist(key=u32)


@raw_tracepoint("sys_enter")
def probe() -> None:
    plain[1].add(2)
    keyed.add(2)
