from pyebpf import *


@record
class Name:
    short: Char = chars(4)
    long: Char = chars(8)


names = Hash[u32, Name](max_entries=8)
out = Array[u64](max_entries=8)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    if comm() == "bash" or comm() in ("sh", "zsh") or comm().startswith(("k", "rcu")):
        out[0] += 1
    name = names.get(1)
    if name is not None:
        out[1] = name.short == name.long
        out[2] = name.short != "abcd"
        out[3] = name.short == "abcde"
