from pyebpf import *
from pyebpf.kernel import rq

WITHOUT = {"kallsyms_all"}

runqueues = KernelVariable[rq]("runqueues")
out = Array[i64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe() -> None:
    if has_variable(runqueues):
        out[0] = runqueues.this_cpu().nr_running
    out[1] = runqueues.this_cpu().nr_running
