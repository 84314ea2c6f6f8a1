"""How many times each system call is made."""

from pyebpf import Hash, RawTracepointContext, raw_tracepoint, u32, u64

calls = Hash[u32, u64](max_entries=512)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    nr = ctx.args[1]
    calls[nr] += 1
