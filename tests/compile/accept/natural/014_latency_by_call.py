"""A histogram of sizes for each system call."""

from pyebpf import Log2Hist, RawTracepointContext, raw_tracepoint, u32

sizes = Log2Hist(unit="bytes", key=u32)


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    nr, size = ctx.args[0], ctx.args[1]
    sizes[nr].add(size)
