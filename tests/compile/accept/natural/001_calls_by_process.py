"""How many system calls each process makes."""

from pyebpf import Hash, raw_tracepoint, tgid, u32, u64

calls = Hash[u32, u64]()


@raw_tracepoint("sys_enter")
def probe() -> None:
    calls[tgid()] += 1
