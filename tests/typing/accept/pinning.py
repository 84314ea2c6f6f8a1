"""Pins of maps, links and programs."""

from pathlib import Path

from pyebpf import (
    Array,
    ArrayOfMaps,
    Events,
    Hash,
    Log2Hist,
    StackTrace,
    TailCalls,
    load,
    open_pinned,
    raw_tracepoint,
    tgid,
    u32,
    u64,
    unpin,
)

APP = Path("/sys/fs/bpf/app")

counts = Hash[u32, u64](max_entries=64, pin=APP / "counts", no_prealloc=True)
sizes = Log2Hist("bytes", pin="/sys/fs/bpf/app/sizes")
sent = Events[u64](pages=1, pin="/sys/fs/bpf/app/sent")
stacks = StackTrace(pin=APP / "stacks")
steps = TailCalls(max_entries=4, pin=APP / "steps")
rows = ArrayOfMaps(Array[u64](max_entries=1), max_entries=2, pin=APP / "rows")


@raw_tracepoint("sys_enter")
def count() -> None:
    counts[tgid()] += 1


with load(count, token="/sys/fs/bpf") as session:
    for number, link in enumerate(session.attached(count)):
        link.pin(APP / f"link{number}")
        session.pin(link, APP / f"again{number}")
    session.pin(count, APP / "program")
    session.pin(counts, APP / "counts_too")

with open_pinned(counts) as opened:
    print(opened.items())
with open_pinned(APP / "counts", counts) as opened:
    print(opened.items())
unpin(APP / "program")
