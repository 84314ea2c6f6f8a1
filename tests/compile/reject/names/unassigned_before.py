from pyebpf import *


@tp_btf("sched_switch")
def probe() -> None:
    print(total)
    total = 1
