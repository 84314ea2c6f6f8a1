"""Members that are not there, writes, and values of other types."""

from pyebpf import Array, Hash, Ptr, TracepointContext, current_task, i64, tp_btf, tracepoint, u64
from pyebpf.kernel import bpf_map_type, request, task_struct
from pyebpf.kfuncs import bpf_task_from_pid, bpf_task_release
from pyebpf.tracepoints import sched_switch

out = Array[i64](max_entries=16)
started = Hash[Ptr[request], u64](max_entries=16)


@tracepoint("sched:sched_switch")
def switch(ctx: TracepointContext[sched_switch]) -> None:
    out[0] = ctx.prev_pidd  # refused: attr-defined, reportAttributeAccessIssue
    out[0] = ctx.prev_comm  # refused: assignment, reportArgumentType


@tp_btf("task_rename")
def rename(task: Ptr[task_struct]) -> None:
    out[0] = task.mm.pgdd  # refused: attr-defined, reportAttributeAccessIssue
    out[0] = task.signal.rlim[7].nothing  # refused: attr-defined, reportAttributeAccessIssue
    out[0] = task.comm  # refused: assignment, reportArgumentType
    current_task().pid = 1  # refused: misc, reportAttributeAccessIssue
    started[task] = 1  # refused: index, reportArgumentType
    found = bpf_task_from_pid(1)
    out[1] = found.pid  # refused: union-attr, reportOptionalMemberAccess
    bpf_task_release(found)  # refused: arg-type, reportArgumentType
    bpf_task_release(1)  # refused: arg-type, reportArgumentType
    bpf_task_from_pid("init")  # refused: arg-type, reportArgumentType
    out[2] = bpf_map_type.BPF_MAP_TYPE_HASSH  # refused: attr-defined, reportAttributeAccessIssue
