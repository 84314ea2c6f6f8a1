from pyebpf import *


@tp_btf("sched_switch")
def probe() -> None:
    task = current_task()
    print(task < task.real_parent)
