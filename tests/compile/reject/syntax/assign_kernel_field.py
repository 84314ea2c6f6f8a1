from pyebpf import *


@tp_btf("sched_switch")
def probe() -> None:
    current_task().pid = 1
