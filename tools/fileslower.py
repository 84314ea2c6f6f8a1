"""Print reads and writes of files that take longer than a threshold.

Time is that of the kernel's vfs_read and vfs_write, which the system calls read, write, pread64 and
pwrite64 run: what a program waits for, however often it reaches a disk. Calls with vectors, mapped
files and asynchronous I/O go other ways and are not seen.

Output:   a line for each. TIME(s) is when it ended, since tracing began; D is R (read) or W
          (write); BYTES is how much was transferred, or a negative error number; FILENAME is
          without the folders. Only plain files are shown, with -a pipes, sockets and devices too.
Cost:     two probes, and one hash insert and delete, for each read and write; on kernels that let
          nobody into functions, tracepoints of system calls instead (--explain says which).
Needs:    Linux 5.8, with BTF.
Source:   behaviour after BCC's fileslower (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from pyebpf import Char, Const, Events, chars, comm, i64, ktime_get_ns, record, tgid, tid, u32, u64
from pyebpf.cli import Column, Elapsed, Lines, Tool
from pyebpf.cli.filesystems import header_of, min_ns
from pyebpf.lib.filesystems import READ, Begun, timed_transfers
from pyebpf.lib.filters import FILTERS
from pyebpf.lib.fs import is_regular

__all__ = ["all_files", "min_ns", "tool"]

all_files = Const(False, "-a", "--all-files", help="include pipes, sockets and other files")


@record
class Transfer:
    """A read or a write that has ended."""

    ended_ns: u64
    took_ns: u64
    ret: i64
    pid: u32
    tid: u32
    what: u32
    comm: Char = chars(16)
    file: Char = chars(256)


transfers = Events[Transfer](pages=512, trim=True)


def send(operation: u32, begun: Begun, ret: i64) -> None:
    """Send a transfer that took long enough."""
    now = ktime_get_ns()
    if now - begun.ns < min_ns or (not all_files and not is_regular(begun.file)):
        return
    with transfers.reserve() as e:
        e.ended_ns, e.took_ns, e.what, e.ret = now, now - begun.ns, operation, ret
        e.pid, e.tid, e.comm = tgid(), tid(), comm()
        e.file.read_kernel_str(begun.file.f_path.dentry.d_name.name)


tool: Tool[None] = Tool(
    __name__,
    probes=timed_transfers(send),
    header=lambda session: header_of("sync reads and writes", session),
    lines=Lines(
        transfers,
        Elapsed("TIME(s)", 8, format=".3f", field="time_s", value=lambda _, row: row.ended_ns),
        Column("COMM", 14, cut=True),
        Column("TID", 7),
        Column("D", 1, field="type", value=lambda _, row: "R" if row.what == READ else "W"),
        Column("BYTES", 7, value=lambda _, row: row.ret),
        Column(
            "LAT(ms)", 7, ">", ".2f", field="latency_ms", value=lambda _, row: row.took_ns / 1e6
        ),
        Column("FILENAME", 0, field="file"),
    ),
    filters=FILTERS,
    examples="""
        fileslower                    # trace reads and writes slower than 10 ms
        fileslower 1                  # slower than 1 ms
        fileslower -p 185             # of process 185 only
        fileslower -a 1               # of pipes, sockets and devices too
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
