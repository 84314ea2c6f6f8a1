from pyebpf import *

calls = Count[u32]()
passes = Count()
total = Sum(unit="bytes", signed=True)
least = Min()
stats = Stats[u32](unit="us")
fine = Log2Hist(unit="us", sub_buckets=8)
rate = TimeSeries(step=1, buckets=4)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    value = ctx.args[0]
    calls.add(tgid())
    calls[7].add()
    passes.add()
    total.add(-3)
    least.add(value)
    stats.add(1, value)
    fine.add(value)
    rate.add()
