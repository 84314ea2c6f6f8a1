from pyebpf import *

seen = Hash[u32, u64](max_entries=4)
out = Array[u64](max_entries=2)


def find(key: u32) -> u64 | None:
    if key:
        return seen.get(key)
    return None


def count() -> None:
    out[0] += 1


@raw_tracepoint("sys_enter")
def probe() -> None:
    found = find(tgid())
    count()
    if found is not None:
        out[1] = found
