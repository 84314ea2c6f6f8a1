"""Values that do not fit what was declared."""

from pyebpf import Hash, Log2Hist, tracepoint, u32, u64, TracepointContext

counts = Hash[u32, u64](max_entries=1024)
sizes = Log2Hist(unit="bytes")


@tracepoint("sched:sched_switch")
def switch(ctx: TracepointContext) -> None:
    counts["swapper"] = 1  # refused: index, reportArgumentType
    counts[1] = "one"  # refused: assignment, reportArgumentType
    sizes.add("large")  # refused: call-overload, reportArgumentType
    counts.append(1)  # refused: attr-defined, reportAttributeAccessIssue
