from pyebpf import *

plain = Log2Hist(unit="us", totals=True)
linear = LinearHist(slots=4, low=-10, step=10)
keyed = Log2Hist(key=tuple[u32, bool])


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    plain.add(ctx.args[0])
    linear.add(ctx.args[0])
    keyed[tgid(), True].add(5)
