from pyebpf import *

numbers = Array[u64](max_entries=1)
seen = Global[u64](0)


@raw_tracepoint("sys_enter")
def look() -> None:
    seen.value = numbers[0]
