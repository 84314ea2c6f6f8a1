from pyebpf import *


@record
class Name:
    name: Char = chars(3)


names = Hash[u32, Name](max_entries=8)
out = Array[u64](max_entries=4)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    if comm()[:4] == "kwor" or comm()[:2] != "sh":
        out[0] = 1
    found = names.get(1)
    if found is not None:
        out[1] = len(found.name)
        out[2] = ord(found.name[0]) + ord("a") + len("abc"[1:])
        names[2] = Name(name=found.name[1:])
