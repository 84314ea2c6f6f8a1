"""Count system calls of ordinary users and of root apart."""

from pyebpf import Array, raw_tracepoint, u64, uid

ROOT, OTHERS = 0, 1
calls = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe() -> None:
    calls[ROOT if uid() == 0 else OTHERS] += 1
