"""Leave out kernel workers; count Python programs and others."""

from pyebpf import Array, comm, raw_tracepoint, u64

calls = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe() -> None:
    name = comm()
    if name.startswith("kworker/"):
        return
    if name.startswith("py"):
        calls[0] += 1
    else:
        calls[1] += 1
