from pyebpf import *

counts = Hash[tuple[u32, u32], u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    counts[
        tgid(),
        comm(),
    ] += 1
