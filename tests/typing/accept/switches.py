"""A tracepoint's fields, a tuple as key, and counting in place."""

from pyebpf import Hash, TracepointContext, tracepoint, u32, u64

switches = Hash[tuple[u32, u32], u64]()


@tracepoint("sched:sched_switch")
def switch(ctx: TracepointContext) -> None:
    switches[ctx.prev_pid, ctx.next_pid] += 1
