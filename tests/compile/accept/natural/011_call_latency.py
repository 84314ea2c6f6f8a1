"""How long system calls take."""

from pyebpf import Hash, Log2Hist, ktime_get_ns, raw_tracepoint, tid, u32, u64

began = Hash[u32, u64](max_entries=10_240)
latency = Log2Hist(unit="ns")


@raw_tracepoint("sys_enter")
def enter() -> None:
    began[tid()] = ktime_get_ns()


@raw_tracepoint("sys_exit")
def leave() -> None:
    start = began.pop(tid())
    if start is not None:
        latency.add(ktime_get_ns() - start)
