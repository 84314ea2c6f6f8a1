"""How many children a process started and how many ended; how long they lived."""

from pyebpf import (
    Array,
    Const,
    Hash,
    Log2Hist,
    TracepointContext,
    ktime_get_ns,
    tgid,
    tid,
    tracepoint,
    u32,
    u64,
)

parent = Const(0, "--parent")
born = Hash[u32, u64](max_entries=1_024)
counts = Array[u64](max_entries=2)
lifetime = Log2Hist(unit="ms")


@tracepoint("sched:sched_process_fork")
def fork(ctx: TracepointContext) -> None:
    if tgid() == parent:
        born[ctx.child_pid] = ktime_get_ns()
        counts[0] += 1


@tracepoint("sched:sched_process_exit")
def ended(ctx: TracepointContext) -> None:
    if tgid() == tid() and (since := born.pop(tid())) is not None:
        lifetime.add((ktime_get_ns() - since) // 1_000_000)
        counts[1] += 1
