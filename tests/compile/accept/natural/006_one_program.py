"""Count the system calls of one program, chosen by name on the command line."""

from pyebpf import Array, Const, comm, raw_tracepoint, u64

name = Const("", "-n", "--name", help="only this program")
calls = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe() -> None:
    if name and comm() != name:
        return
    calls[0] += 1
