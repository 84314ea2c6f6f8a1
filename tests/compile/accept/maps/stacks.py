from pyebpf import *

stacks = StackTrace(max_entries=64, depth=20, replace=True)
by_stack = Hash[tuple[i64, u32], u64](max_entries=64)


@raw_tracepoint("sys_enter")
def probe() -> None:
    by_stack[stacks.user(), tgid()] += 1
    by_stack[stacks.kernel(2), 0] += 1
