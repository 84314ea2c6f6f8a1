from pyebpf import *
from pyebpf.kernel import request, task_struct

out = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    out[0] = has_field(task_struct, "__state")
    out[1] = sizeof(request)
    if has_field(request, "rq_disk"):
        out[2] = current_task().not_here_either
    else:
        out[2] = 5
