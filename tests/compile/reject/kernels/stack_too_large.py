from pyebpf import *


@record
class Wide:
    text: Char = chars(40_000)


rows = Hash[u32, Wide](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    rows[1] = Wide(text="a")
