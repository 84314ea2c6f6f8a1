"""Nested conditional expressions."""

from pyebpf import Array, RawTracepointContext, i64, raw_tracepoint

signs = Array[i64](max_entries=1)


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    ret: i64 = ctx.args[1]
    signs[0] = -1 if ret < 0 else 1 if ret > 0 else 0
