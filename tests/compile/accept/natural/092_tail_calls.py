"""A program for each kind of event, reached by a jump."""

from pyebpf import Array, RawTracepointContext, TailCalls, raw_tracepoint, u64

out = Array[u64](max_entries=3)


@raw_tracepoint("sys_enter")
def on_read(ctx: RawTracepointContext) -> None:
    out[0] += ctx.args[1]


@raw_tracepoint("sys_enter")
def on_write(ctx: RawTracepointContext) -> None:
    out[1] += ctx.args[1]


handlers = TailCalls(on_read, on_write)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    handlers.call(ctx.args[0])
    out[2] += 1
