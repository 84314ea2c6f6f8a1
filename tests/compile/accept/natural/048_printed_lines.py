"""A line for each event."""

from pyebpf import RawTracepointContext, comm, i64, raw_tracepoint, tgid


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    ret: i64 = ctx.args[1]
    print(f"{comm():<16} {tgid():>7} {ret:6d}")
