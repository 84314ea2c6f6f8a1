"""Which kernel stacks call, by id."""

from pyebpf import Hash, StackTrace, i64, raw_tracepoint, u64

stacks = StackTrace(max_entries=1_024)
counts = Hash[i64, u64](max_entries=1_024)


@raw_tracepoint("sys_enter")
def probe() -> None:
    stack = stacks.kernel()
    if stack >= 0:
        counts[stack] += 1
