from pyebpf import *
from pyebpf.kernel import request, task_struct

out = Array[i64](max_entries=4)


@tp_btf("block_rq_complete")
def complete(rq: Ptr[request], error: i32, nr_bytes: u64) -> None:
    out[0] = error
    out[1] = nr_bytes


@tp_btf("sched_switch")
def switch(preempt: bool, prev: Ptr[task_struct]) -> None:
    out[2] = preempt
    out[3] = prev.pid
