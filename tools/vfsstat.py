"""Count what programs ask of file systems, a line for each interval.

The kernel's own functions are counted, whatever system call or driver calls them: vfs_read,
vfs_write, vfs_fsync_range, vfs_open, vfs_create, vfs_unlink, vfs_mkdir, vfs_rmdir. Most kernels
make a file that open() creates without vfs_create; mknod() and overlay file systems call it. Where
the compiler has put a function into one of its callers, what that does is not counted: some calls
of fsync() and fdatasync() on Debian's 6.1, rmdir() on its 5.10.

Output:   a row for each interval, calls per second of it; a file system that lies over another
          makes two of one. In JSON there are the counts, too.
Cost:     a probe and an addition for each call.
Needs:    Linux 5.5 with BTF, and fentry or kprobes.
Source:   behaviour after BCC's vfsstat (Brendan Gregg, 2015); written from scratch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyebpf import Count, Session, u32
from pyebpf.cli import Column, Rates, Tool
from pyebpf.lib.filters import FILTERS, is_wanted
from pyebpf.lib.sources import entered

#: What is counted, by the functions that do it.
FUNCTIONS = {
    "read": "vfs_read",
    "write": "vfs_write",
    "fsync": "vfs_fsync_range",
    "open": "vfs_open",
    "create": "vfs_create",
    "unlink": "vfs_unlink",
    "mkdir": "vfs_mkdir",
    "rmdir": "vfs_rmdir",
}

calls = Count[u32](max_keys=len(FUNCTIONS))


def counting(number: int) -> Callable[[], None]:
    """Return what counts a call of one of them."""

    def count() -> None:
        if is_wanted():
            calls.add(number)

    return count


def report(session: Session) -> dict[str, int]:
    """Take one interval: how often each was called."""
    taken: Any = session[calls].take()
    return {
        name: taken[number].count if number in taken else 0 for number, name in enumerate(FUNCTIONS)
    }


tool = Tool(
    __name__,
    probes=[
        entered(function)(counting(number)) for number, function in enumerate(FUNCTIONS.values())
    ],
    report=report,
    layout=Rates(
        [
            Column("TIME", 9),
            *(Column(f"{name.upper()}/s", 8, ">", ".0f", field=name) for name in FUNCTIONS),
        ]
    ),
    interval_s=1,
    filters=FILTERS,
    most="none",
    examples="""
        vfsstat                       # calls per second, every second
        vfsstat 5                     # every five seconds
        vfsstat 2 3                   # every two seconds, three times
        vfsstat -p 185                # of process 185 only
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
