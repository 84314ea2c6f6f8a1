from pyebpf import *

calls = Count[u32]()
passes = Count()
total = Sum(unit="bytes")
change = Max(signed=True)
series = TimeSeries[u32](step=1)
huge = TimeSeries[u32](step=1, buckets=1_000)
twice = Sum[u32](key=u32)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    passes.add(1)
    calls.add()
    calls.add(1, 2)
    calls[1].add(2)
    total.add()
    total.add(-1)
    total.add(cast(i64, ctx.args[0]))
    change.add(ctx.args[0])
    change[1].add(1)
    series.add()
    series.add(1, 2, 3)
    huge.add(1)
    twice.add(1, 2)
    total.append(1)
    total["text"].add(1)
    total.value


@fentry("vfs_read")
def another() -> None:
    calls["text"].add()
