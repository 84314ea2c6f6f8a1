from pyebpf import *


@tp_btf("sched_switch")
def probe() -> None:
    for i in range(0 + 3):
        last = i
    print(last)
