"""Programs that add ten times, and one that adds nothing, for the time of one ``add``."""

from __future__ import annotations

from pyebpf import (
    Average,
    Count,
    LinearHist,
    Log2Hist,
    Max,
    Min,
    PerCpuArray,
    RawTracepointContext,
    Stats,
    Sum,
    TimeSeries,
    raw_tracepoint,
    u32,
    u64,
)

TEN = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)

passes, calls = Count(), Count[u32]()
total, least, most, mean = Sum(), Min(), Max(), Average()
stats, stats_by_key = Stats(), Stats[u32]()
log2, log2_by_key = Log2Hist(), Log2Hist[u32]()
fine, linear = Log2Hist(sub_buckets=8), LinearHist(slots=64, step=16)
series = TimeSeries(step=1)
by_hand = PerCpuArray[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def nothing(ctx: RawTracepointContext) -> None:
    pass


@raw_tracepoint("sys_enter")
def count(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        passes.add()


@raw_tracepoint("sys_enter")
def array_by_hand(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        by_hand[0] += 1


@raw_tracepoint("sys_enter")
def count_by_key(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        calls.add(7)


@raw_tracepoint("sys_enter")
def sums(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        total.add(ctx.args[0])


@raw_tracepoint("sys_enter")
def minimum(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        least.add(ctx.args[0])


@raw_tracepoint("sys_enter")
def maximum(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        most.add(ctx.args[0])


@raw_tracepoint("sys_enter")
def average(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        mean.add(ctx.args[0])


@raw_tracepoint("sys_enter")
def statistics(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        stats.add(ctx.args[0])


@raw_tracepoint("sys_enter")
def statistics_by_key(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        stats_by_key.add(7, ctx.args[0])


@raw_tracepoint("sys_enter")
def log2_hist(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        log2.add(ctx.args[0])


@raw_tracepoint("sys_enter")
def log2_hist_by_key(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        log2_by_key.add(7, ctx.args[0])


@raw_tracepoint("sys_enter")
def log2_divided(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        fine.add(ctx.args[0])


@raw_tracepoint("sys_enter")
def linear_hist(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        linear.add(ctx.args[0])


@raw_tracepoint("sys_enter")
def time_series(ctx: RawTracepointContext) -> None:
    for _ in TEN:
        series.add(ctx.args[0])
