from pyebpf import *
from pyebpf.kernel import task_struct
out = Array[u64](max_entries=4)

@noinline
def weight(task: Ptr[task_struct], number: u64) -> u64:
    return task.tgid + number

@noinline
def maybe(task: Ptr[task_struct] | None) -> u64:
    return 0 if task is None else task.tgid

@noinline
def of_context(ctx: RawTracepointContext) -> u64:
    return ctx.args[1]

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = weight(current_task(), 4)
    out[1] = of_context(ctx)
    out[2] = maybe(current_task().real_parent)
