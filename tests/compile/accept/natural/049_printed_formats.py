"""All kinds of formats."""

from pyebpf import RawTracepointContext, comm, raw_tracepoint


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n = ctx.args[0]
    print(f"{n:#x} {n:08b} {n:,} {n!r:>6}", f"{comm()!r}", n > 3, sep="|", end=".\n")
    print("max of two", max(n, 4), f"{n=}")
