from pyebpf import *
from pyebpf.kernel import task_struct
from pyebpf.tracepoints import sched_switch, sched_wakeup


@tracepoint("sched:sched_switch")
def other(ctx: TracepointContext[sched_wakeup]) -> None:
    print(ctx.pid)


@tracepoint("sched:sched_switch")
def a_type(ctx: TracepointContext[task_struct]) -> None:
    print(ctx.prev_pid)


@raw_tracepoint("sys_enter")
def raw(ctx: TracepointContext[sched_switch]) -> None:
    print(ctx.prev_pid)
