from pyebpf import *

one = Hash[u32, u64](max_entries=16)
two = Hash[u32, u64](max_entries=16)
only_cpu = Const(None, "--cpu", convert=int)


def is_wanted() -> bool:
    return (only_cpu is None or cpu() == only_cpu) and tgid() != 0


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    for name in (b"a", b"bc", b"def"):
        if name[0] == ctx.args[0]:
            one[len(name)] = 1
    for number, name in enumerate((b"a", b"bc")):
        two[number] = len(name)
    for which in (one, two):
        which[7] = 1
    which[8] = is_wanted()
    if any(b"bcd".startswith(start) for start in (b"x", b"bc")):
        one[9] = 1
