from pyebpf import *

started = Hash[u32, u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    begin = started[tgid()]
