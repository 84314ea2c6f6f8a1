from pyebpf import *
from pyebpf.kernel import task_strukt


@raw_tracepoint("sys_enter")
def probe() -> None:
    if has_field(task_strukt, "pid"):
        print("yes")
