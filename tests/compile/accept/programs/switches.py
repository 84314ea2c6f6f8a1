from pyebpf import *

switches = Hash[tuple[u32, u32], u64]()


@tracepoint("sched:sched_switch")
def switch(ctx: TracepointContext) -> None:
    switches[ctx.prev_pid, ctx.next_pid] += 1
