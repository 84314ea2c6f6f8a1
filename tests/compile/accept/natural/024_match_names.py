"""What a program is, by its name."""

from pyebpf import Array, comm, raw_tracepoint, u64

kinds = Array[u64](max_entries=3)


@raw_tracepoint("sys_enter")
def probe() -> None:
    match comm():
        case "python" | "python3" | "pytest":
            kinds[0] += 1
        case "bash" | "sh":
            kinds[1] += 1
        case _:
            kinds[2] += 1
