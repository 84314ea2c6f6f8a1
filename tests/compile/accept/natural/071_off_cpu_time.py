"""How long threads are away from the CPU."""

from pyebpf import Const, Hash, TracepointContext, ktime_get_ns, tracepoint, u32, u64

target_tid = Const(0, "-t", "--tid")
left = Hash[u32, u64](max_entries=10_240)
away = Hash[u32, u64](max_entries=10_240)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    now = ktime_get_ns()
    if ctx.prev_pid == target_tid:
        left[ctx.prev_pid] = now
    if ctx.next_pid == target_tid and (since := left.pop(ctx.next_pid)):
        away[ctx.next_pid] += now - since
