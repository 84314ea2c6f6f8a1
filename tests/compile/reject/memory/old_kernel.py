from pyebpf import *

WITHOUT = {"helper:probe_read_user"}

out = Array[i64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = read_user(u32, ctx.args[0])
