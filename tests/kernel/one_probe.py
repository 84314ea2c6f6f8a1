"""A module with one probe, for child processes to load."""

from __future__ import annotations

from pyebpf import Array, raw_tracepoint, tgid, u64

counts = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe() -> None:
    if tgid() == 1:
        counts[0] += 1
