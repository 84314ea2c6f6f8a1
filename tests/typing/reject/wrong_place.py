"""Atomic operations and globals with values of other types."""

from pyebpf import Global, Hash, fetch_add, raw_tracepoint, u32, u64

counts = Hash[u32, u64](max_entries=1024)
total = Global[u64](0)


@raw_tracepoint("sys_enter")
def probe() -> None:
    total.value = "many"  # refused: assignment, reportAttributeAccessIssue
    counts.fetch_add("swapper", 1)  # refused: arg-type, reportArgumentType
    fetch_add(total, 1)  # refused: arg-type, reportArgumentType
    _ = counts.get(1) + 1  # refused: operator, reportOptionalOperand
