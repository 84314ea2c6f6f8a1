from pyebpf import *


@tp_btf("sched_switch")
def probe() -> None:
    print(current_task().cpus_mask)
