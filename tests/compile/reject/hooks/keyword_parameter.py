from pyebpf import *


@tp_btf("sched_switch")
def probe(*, preempt: bool = False) -> None:
    pass
