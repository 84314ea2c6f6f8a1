from pyebpf import *


@tp_btf("sched_switch")
def probe(*args: u64) -> None:
    pass
