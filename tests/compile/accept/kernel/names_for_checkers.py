"""Names that say more to a type checker mean the same to the compiler."""

from pyebpf import *
from pyebpf.kfuncs import bpf_task_from_pid, bpf_task_release
from pyebpf.tracepoints import sched_switch

out = Array[u64](max_entries=4)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext[sched_switch]) -> None:
    out[0] = ctx.prev_pid


@tp_btf("task_rename")
def rename() -> None:
    task = bpf_task_from_pid(1)
    if task is not None:
        bpf_task_release(task)
