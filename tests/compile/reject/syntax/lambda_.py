from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    double = lambda n: 2 * n
    print(double(2))
