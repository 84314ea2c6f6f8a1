from pyebpf import *


@record
class Name:
    name: Char = chars(4)
    mac: Bytes = octets(6)


names = Hash[u32, Name](max_entries=8)
out = Array[u64](max_entries=4)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    found = names.get(1)
    if found is not None:
        out[0] = found.name.endswith("so")
        out[1] = found.name.endswith(("", "abcde"))
        out[2] = found.mac.startswith(b"\2\0") or found.mac.endswith(b"\1")
