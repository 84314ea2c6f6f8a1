"""Show the rate at which the kernel allocates from its caches of objects, refreshed like top.

An allocation belongs to the process that runs when it is made, also where an interrupt makes it.
What has no cache of its own (kmalloc) is not counted.

Output:   a screen for each interval: the load, and a row for each cache, the most bytes first:
          how many objects were allocated, and their bytes.
Cost:     one probe, which runs for each allocation: a busy machine makes a million in a second,
          and a hash update for each costs about 100 ns.
Needs:    Linux 6.1 with BTF; before that functions that can be traced, of which those that
          allocate several objects at once are not counted. A cache that is made where another one
          was has its name.
Source:   behaviour after BCC's slabratetop (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import (
    Char,
    Const,
    Hash,
    Ptr,
    Session,
    chars,
    fentry,
    first_of,
    kprobe,
    record,
    rows,
    tp_btf,
    u64,
)
from pyebpf.cli import Column, Screen, Tool, positive
from pyebpf.kernel import kmem_cache
from pyebpf.lib.filters import FILTERS, is_wanted

noclear = Const(False, "-C", "--noclear", help="don't clear the screen")
maxrows = Const(
    20, "-r", "--maxrows", "--top", help="maximum rows to print, default 20", convert=positive
)


@record
class Totals:
    """What was allocated from a cache."""

    count: u64
    size: u64
    name: Char = chars(32)


caches = Hash[Ptr[kmem_cache], Totals](max_entries=4_096)


# The tracepoint has the cache since Linux kernel commit 2c1d697fb8ba ("mm/slab_common: drop
# kmem_alloc & avoid dereferencing fields when not using") (in v6.1). Whether there was memory, the
# address would tell, which programs on 6.1 may not look at.
@tp_btf("kmem_cache_alloc")
def by_tracepoint(call_site: u64, _: u64, cache: Ptr[kmem_cache]) -> None:
    """Count an allocation."""
    allocated(cache)


def by_function(cache: Ptr[kmem_cache]) -> None:
    """Count an allocation that begins."""
    allocated(cache)


_FUNCTIONS = ("kmem_cache_alloc", "kmem_cache_alloc_node")

on_alloc = first_of(
    by_tracepoint,
    tuple(fentry(name)(by_function) for name in _FUNCTIONS),
    tuple(kprobe(name)(by_function) for name in _FUNCTIONS),
    name="on_alloc",
)


def allocated(cache: Ptr[kmem_cache]) -> None:
    """Add an object to what was allocated from its cache."""
    if not is_wanted():
        return
    entry = caches.setdefault(cache, Totals(count=0, size=0))  # type: ignore[call-arg] # no name yet
    if not entry.count:
        entry.name = cache.name
    entry.count += 1
    entry.size += cache.size


def report(session: Session) -> list[dict[str, Any]]:
    """Take one interval: a row for each cache, the most bytes first."""
    _, values = session[caches].added()
    by_name: dict[str, dict[str, Any]] = {}
    for did in rows(Totals, values):
        # Caches of one name are of one kind: control groups had their own before Linux 5.9.
        row = by_name.setdefault(did.name, {"cache": did.name, "allocs": 0, "bytes": 0})
        row["allocs"] += did.count
        row["bytes"] += did.size
    found = sorted(by_name.values(), key=lambda row: row["bytes"], reverse=True)
    return [row for row in found if row["allocs"]]


tool = Tool(
    __name__,
    probes=[on_alloc],
    report=report,
    layout=Screen(
        [
            Column("CACHE", 32),
            Column("ALLOCS", 6, ">"),
            Column("BYTES", 10, ">"),
        ],
        keep=noclear,
    ),
    header="Tracing allocations... Hit Ctrl-C to end.",
    interval_s=1,
    filters=FILTERS,
    top=maxrows,
    examples="""
        slabratetop            # allocations by cache, 1 second refresh
        slabratetop -C         # don't clear the screen
        slabratetop 5          # 5 second summaries
        slabratetop 5 10       # 5 second summaries, 10 times only
        slabratetop -p 181     # only what process 181 has allocated for it
        slabratetop --container web   # only what this container has
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
