from pyebpf import *

double = lambda n: 2 * n


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(double(2))
