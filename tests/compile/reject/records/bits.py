from pyebpf import *
from pyebpf import helpers


@record
class Flags:
    kind: u32 = bits(7)
    narrow: u8 = bits(3)
    seen: bool = bits(1)


flags = Hash[u32, Flags](max_entries=4)
cells = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    entry = flags.get(1)
    if entry is None:
        return
    entry.kind += 1
    entry.narrow |= 1
    entry.seen |= 1
    fetch_or(entry.kind, 1)
    cells[0] = offsetof(Flags, "kind")
    helpers.get_current_comm(entry.kind, 4)
    entry.kind = "many"
    entry.lind = 1
