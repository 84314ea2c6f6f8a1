"""Members of kernel objects have the types that a probe sees."""

from typing_extensions import assert_type

from pyebpf import (
    Array,
    Hash,
    KernelVariable,
    Ptr,
    TracepointContext,
    cast,
    chars,
    Char,
    container_of,
    current_task,
    has_kfunc,
    i64,
    read_kernel,
    read_kernel_str,
    record,
    tp_btf,
    tracepoint,
    u32,
    u64,
)
from pyebpf import kernel
from pyebpf.kernel import (
    bpf_map_type,
    gendisk,
    mm_struct,
    no_such_type,
    pid_t,
    request,
    rq,
    sched_entity,
    task_struct,
    task_struct___other,
)
from pyebpf.kfuncs import bpf_strlen, bpf_task_from_pid, bpf_task_release, bpf_of_tomorrow
from pyebpf.tracepoints import no_such_tracepoint, sched_switch

out = Array[i64](max_entries=16)
started = Hash[Ptr[request], u64](max_entries=16)
tasks = Hash[u32, Ptr[task_struct]](max_entries=16)
runqueues = KernelVariable[rq]("runqueues")


@record
class Seen:
    task: Ptr[task_struct]
    comm: Char = chars(16)


seen = Hash[u32, Seen](max_entries=16)


@tp_btf("block_rq_issue")
def issue(rq: Ptr[request]) -> None:
    started[rq] = 1
    assert_type(rq.q.disk, gendisk)
    assert_type(rq.q.disk.major, int)
    out[0] = rq.q.disk.major


@tracepoint("sched:sched_switch")
def switch(ctx: TracepointContext[sched_switch]) -> None:
    out[0] = ctx.prev_pid
    if ctx.next_comm == "bash" and ctx.prev_comm.startswith("k"):
        out[1] += 1


@tracepoint("sched:sched_switch")
def untyped(ctx: TracepointContext) -> None:
    out[0] = ctx.prev_pid + ctx.of_tomorrow


@tracepoint("sched:sched_switch")
def unknown(ctx: TracepointContext[no_such_tracepoint]) -> None:
    out[0] = ctx.whatever


@tp_btf("task_rename")
def rename(task: Ptr[task_struct], of_later: Ptr[task_struct___other], x: Ptr[no_such_type]) -> None:
    assert_type(task.mm, mm_struct)
    assert_type(task.se, sched_entity)
    assert_type(task.pid, int)
    assert_type(task.sched_reset_on_fork, int)  # a bit-field
    assert_type(task.signal.rlim[7].rlim_cur, int)
    assert_type(task.children.next, kernel.list_head)
    out[0] = task.__state + of_later.member + x.member.member[1]
    if task.mm is not None and task.group_leader == task and task.mm:
        out[1] = task + 8
    child = container_of(task.children.next, task_struct, "sibling")
    assert_type(child.tgid, int)
    assert_type(cast(Ptr[task_struct], out[2]).real_parent, task_struct)
    out[2] = cast(Ptr[u32], out[3])[1] + cast(Ptr[no_such_type], out[3]).member + cast(u32, out[3])
    assert_type(read_kernel(tuple[u32, bool], task), tuple[int, bool])
    name = task.mm.exe_file.f_path.dentry.d_name.name
    out[4] = name[0] + name
    print(read_kernel_str(name, 32), task.comm)
    tasks[1] = task
    seen[1] = Seen(task=task, comm=task.comm)
    if (kept := seen.get(1)) is not None:
        out[5] = kept.task.pid
    pid: pid_t = current_task().pid
    out[6] = bpf_map_type.BPF_MAP_TYPE_HASH + runqueues.this_cpu().nr_running + pid


@tp_btf("task_rename")
def calls(task: Ptr[task_struct]) -> None:
    if has_kfunc(bpf_task_from_pid) and has_kfunc(bpf_of_tomorrow):
        found = bpf_task_from_pid(1)
        if found is not None:
            out[0] = found.pid
            bpf_task_release(found)
        out[1] = bpf_strlen("text") + bpf_of_tomorrow(1, 2)
