"""A histogram for each process and system call."""

from pyebpf import Log2Hist, RawTracepointContext, raw_tracepoint, tgid, u32

sizes = Log2Hist(key=tuple[u32, u32], max_keys=512)


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    sizes[tgid(), ctx.args[0]].add(ctx.args[1])
