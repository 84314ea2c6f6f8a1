from pyebpf import *


@tp_btf("sched_switch")
def probe(preempt: bool) -> None:
    if preempt:
        size = 2
    print(size)
