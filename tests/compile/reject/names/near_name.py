from pyebpf import *

started = Array[u64](max_entries=4)


@tp_btf("sched_switch")
def probe() -> None:
    startd[0] += 1
