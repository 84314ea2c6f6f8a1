from pyebpf import *

counts = Hash[u32, u64](max_entries=16)
pairs = Hash[tuple[u32, bool], u64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe() -> None:
    total = 0
    for key, value in counts.items():
        if value == 3:
            continue
        total += key * value
        if total > 1000:
            break
    for (pid, flag), n in pairs.items():
        if flag:
            total += pid
    for key in counts:
        total ^= key
    for n in pairs.values():
        total += n
    counts[1] = total
