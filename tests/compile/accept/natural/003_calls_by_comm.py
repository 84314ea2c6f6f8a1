"""How many system calls each program makes, by name."""

from pyebpf import Char, Hash, chars, comm, raw_tracepoint, record, u64


@record
class Name:
    comm: Char = chars(16)


calls = Hash[Name, u64](max_entries=1_024)


@raw_tracepoint("sys_enter")
def probe() -> None:
    calls[Name(comm=comm())] += 1
