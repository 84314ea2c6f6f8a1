"""Aggregates with and without keys, and what a session gives for them."""

from typing_extensions import assert_type

from pyebpf import (
    Average,
    Count,
    Log2Hist,
    Max,
    RawTracepointContext,
    Stats,
    Sum,
    TimeSeries,
    load,
    raw_tracepoint,
    tgid,
    u32,
    u64,
)

passes = Count()
calls = Count[u32](max_keys=100)
sent = Sum[tuple[u32, u64]](unit="bytes")
worst = Max(unit="us", signed=True)
mean = Average(unit="us")
took = Stats(unit="us", key=u32)
sizes = Log2Hist[u32](unit="bytes", sub_buckets=8)
rate = TimeSeries(step=0.5, buckets=100)


@raw_tracepoint("sys_enter")
def enter(ctx: RawTracepointContext) -> None:
    passes.add()
    calls.add(tgid())
    calls[tgid()].add()
    sent.add((tgid(), ctx.args[0]), 3)
    sent[tgid(), ctx.args[0]].add(3)
    worst.add(5)
    mean.add(5)
    took[1].add(5)
    took.add(1, 5)
    sizes[1].add(5)
    rate.add()
    rate.add(5)


def main() -> None:
    with load(enter) as session:
        print(session[calls].top(10))
        print(session[took].snapshot())
        print(session[sizes].counts.sum())
        print(session[rate].snapshot())
        assert_type(session[worst].is_keyed, bool)
