from pyebpf import *

stacks = StackTrace(max_entries=64)


@raw_tracepoint("sys_enter")
def probe() -> None:
    stacks.kernel(tgid())
    stacks.user(256)
    stacks.kernel(1, 2)
    stacks.both()
    print(stacks[1])
