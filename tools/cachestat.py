"""Count hits and misses of the page cache, a line for each interval.

A page that is asked for and is there is a hit; one that must first be put there is a miss. The
numbers are made of four that the kernel has: accesses to pages, pages put into the cache, pages and
buffers made dirty. What is put there to be written is no miss, and what is read ahead is one. Files
that a process has mapped count as used when it unmaps them or ends.

Output:   DIRTIES are pages made dirty; HITRATIO is of all hits and misses; BUFFERS_MB and CACHED_MB
          are what /proc/meminfo says.
Cost:     a probe and an addition for each page of the four kinds.
Needs:    Linux 5.5 with BTF, and fentry or kprobes; Linux 6.13 without them: there large folios
          have as many accesses as pages are read, and are put into the cache once.
Source:   behaviour after BCC's cachestat (Brendan Gregg, 2014); written from scratch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pyebpf import Session, Sum, TracepointContext, first_of, tracepoint, u32
from pyebpf.cli import Column, Rolling, Tool
from pyebpf.lib import fs
from pyebpf.lib.filters import FILTERS, is_wanted

ADDED, ACCESSED, DIRTIED, BUFFERED = range(4)

counts = Sum[u32](max_keys=4)


def count(what: u32, times: u32) -> None:
    """Count one of the four."""
    if is_wanted():
        counts.add(what, times)


@tracepoint("filemap:mm_filemap_add_to_page_cache")
def on_add(_: TracepointContext) -> None:
    """Count what is put into the cache."""
    count(ADDED, 1)


@fs.page_accessed()
def on_access(pages: u32) -> None:
    """Count accesses."""
    count(ACCESSED, pages)


# Folios took the place of pages in Linux 5.18.
@first_of(
    tracepoint("writeback:writeback_dirty_folio"), tracepoint("writeback:writeback_dirty_page")
)
def on_dirty(_: TracepointContext) -> None:
    """Count pages that become dirty."""
    count(DIRTIED, 1)


@tracepoint("block:block_dirty_buffer")
def on_dirty_buffer(_: TracepointContext) -> None:
    """Count buffers that become dirty: each is an access as well."""
    count(BUFFERED, 1)


class Cache(NamedTuple):
    """What became of what was asked for."""

    hits: int
    misses: int


def judged(added: int, accessed: int, dirtied: int, buffered: int) -> Cache:
    """Return hits and misses: what is accessed to be written is neither."""
    total = max(accessed - buffered, 0)
    misses = min(max(added - dirtied, 0), total)
    return Cache(total - misses, misses)


def report(session: Session) -> list[dict[str, Any]]:
    """Take one interval: a row."""
    taken: Any = session[counts].take()
    seen = [taken[what].sum if what in taken else 0 for what in range(4)]
    hits, misses = judged(*seen)
    return [
        {
            "hits": hits,
            "misses": misses,
            "dirties": seen[DIRTIED],
            "hit_ratio": hits / (hits + misses) if hits + misses else 0.0,
            "buffers_mb": meminfo("Buffers") / 1024,
            "cached_mb": meminfo("Cached") / 1024,
        }
    ]


def meminfo(name: str) -> int:
    """Return a number of ``/proc/meminfo``. KiB."""
    with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123
        return next(int(line.split()[1]) for line in file if line.startswith(f"{name}:"))


tool = Tool(
    __name__,
    probes=[on_add, on_access, on_dirty, on_dirty_buffer],
    report=report,
    layout=Rolling(
        [
            Column("HITS", 8, ">"),
            Column("MISSES", 8, ">"),
            Column("DIRTIES", 8, ">"),
            Column("HITRATIO", 8, ">", ".2%", field="hit_ratio"),
            Column("BUFFERS_MB", 12, ">", ".0f"),
            Column("CACHED_MB", 10, ">", ".0f"),
        ],
        stamps=False,
    ),
    interval_s=1,
    filters=FILTERS,
    most="none",
    examples="""
        cachestat                     # hits and misses, every second
        cachestat -T                  # with the time
        cachestat 5                   # every five seconds
        cachestat -p 185              # of process 185 only
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
