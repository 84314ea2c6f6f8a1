"""Aggregates used as they were not declared."""

from pyebpf import Count, RawTracepointContext, Stats, Sum, TimeSeries, raw_tracepoint, tgid, u32

calls = Count[u32]()
total = Sum(unit="bytes")
took = Stats[u32](unit="us")
rate = TimeSeries[u32](step=1)


@raw_tracepoint("sys_enter")
def enter(ctx: RawTracepointContext) -> None:
    calls.add()  # refused: call-arg, reportCallIssue
    calls.add("one")  # refused: arg-type, reportArgumentType
    calls["one"].add()  # refused: index, reportArgumentType
    calls[tgid()].add(1, 2)  # refused: call-overload, reportCallIssue
    took.add(1)  # refused: call-arg, reportCallIssue
    total.add("many")  # refused: call-overload, reportArgumentType
    rate.add()  # refused: call-arg, reportCallIssue
    calls.value  # refused: attr-defined, reportAttributeAccessIssue


named = Sum(units="us")  # refused: call-arg, reportCallIssue
