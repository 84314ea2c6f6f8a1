"""Counting that user space turns on and off, and reads."""

from pyebpf import Global, raw_tracepoint, u64

enabled = Global[bool](False)
total = Global[u64](0)


@raw_tracepoint("sys_enter")
def probe() -> None:
    if enabled.value:
        total.value += 1
