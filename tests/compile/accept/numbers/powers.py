"""Powers with constant exponents, and of two."""

from pyebpf import *

out = Array[i64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n = cast(u8, ctx.args[0])
    out[0] = n**3 + n**0 + n**1 + 3**4
    out[1] = 2 ** (n & 31)
    n **= 2
    out[2] = n
