"""Show which files are read and written most, and by which threads, refreshed like top.

Counted is what the system calls read, write, pread64 and pwrite64 transfer, in the kernel's
vfs_read and vfs_write. Calls with vectors, mapped files and asynchronous I/O are not seen.

Output:   a screen per interval: the load, and a row for each thread and file. T is R (plain file),
          S (socket) or O (others); FILE is without its folders, up to 127 bytes.
Cost:     two probes, and two hash inserts and a delete, for each read and write; on kernels that
          let nobody into functions, tracepoints of system calls instead (--explain says which). A
          transfer that is counted in the very moment in which an interval ends may be missed.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's filetop (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyebpf import (
    ArrayOfMaps,
    Char,
    Const,
    Hash,
    Session,
    chars,
    comm,
    i64,
    read_kernel_str,
    record,
    rows,
    tid,
    u32,
    u64,
)
from pyebpf.cli import Column, Screen, Tool
from pyebpf.cli.options import positive
from pyebpf.host.inodes import inode
from pyebpf.host.mounts import superblock_dev
from pyebpf.lib.filesystems import READ, WRITE, Begun, timed_transfers
from pyebpf.lib.filters import FILTERS
from pyebpf.lib.fs import is_regular, is_socket

ORDERS: dict[str, Callable[[Any], Any]] = {
    "all": lambda did: did["reads"] + did["writes"] + did["read_bytes"] + did["written_bytes"],
    "reads": lambda did: did["reads"],
    "writes": lambda did: did["writes"],
    "rbytes": lambda did: did["read_bytes"],
    "wbytes": lambda did: did["written_bytes"],
}


def order_of(text: str) -> str:
    """Read the name of an order."""
    if text not in ORDERS:
        raise ValueError(f"{text!r} is no order; there are {', '.join(ORDERS)}")
    return text


def mark(number: u64, dev: u64) -> u64:
    """Return a number that stands for an inode and its file system."""
    return number ^ dev << 32


def directory_of(path: str) -> int:
    """Return the mark of a directory."""
    try:
        return mark(inode(f"{path}/"), superblock_dev(path))
    except OSError as err:
        raise ValueError(f"{path!r}: {err.strerror}") from None


all_files = Const(False, "-a", "--all-files", help="include pipes, sockets and other files")
noclear = Const(False, "-C", "--noclear", help="don't clear the screen")
maxrows = Const(
    20, "-r", "--maxrows", "--top", help="maximum rows to print, default 20", convert=positive
)
order = Const(
    "all", "-s", "--sort", help="first what has most: all, reads, writes, rbytes, wbytes",
    convert=order_of, metavar="ORDER",
)  # fmt: skip
read_only = Const(False, "--read-only", help="reads only")
write_only = Const(False, "--write-only", help="writes only")
directory = Const(
    0,
    "-d",
    "--directory",
    help="files of this directory only",
    convert=directory_of,
    metavar="PATH",
)


@record
class Whose:
    """A file, and a thread that uses it."""

    inode: u64
    dev: u32
    tid: u32
    comm: Char = chars(16)


@record
class Did:
    """What it does with it."""

    reads: u64
    writes: u64
    read_bytes: u64
    written_bytes: u64
    kind: u32
    name: Char = chars(128)


_KINDS = "ORS"
_OTHER, _REGULAR, _SOCKET = range(3)

files = Hash[Whose, Did](max_entries=10_240)
#: Has the map of the interval: it is swapped for an empty one, so that nothing added is lost.
by_turn = ArrayOfMaps(files, (files,))


def count(operation: u32, begun: Begun, ret: i64) -> None:
    """Add a transfer to what its thread did with the file."""
    file = begun.file
    if (read_only and operation != READ) or (write_only and operation != WRITE):
        return
    if not all_files and not is_regular(file):
        return
    if directory:
        above = file.f_path.dentry.d_parent.d_inode
        if mark(above.i_ino, above.i_sb.s_dev) != directory:
            return
    whose = Whose(inode=file.f_inode.i_ino, dev=file.f_inode.i_sb.s_dev, tid=tid(), comm=comm())
    turn = by_turn.get(0)
    if turn is None:
        return
    entry = turn.get(whose)
    if entry is None:
        kind = _REGULAR if is_regular(file) else _SOCKET if is_socket(file) else _OTHER
        turn[whose] = Did(
            reads=0, writes=0, read_bytes=0, written_bytes=0, kind=kind,
            name=read_kernel_str(file.f_path.dentry.d_name.name, 128),
        )  # fmt: skip
        entry = turn.get(whose)
        if entry is None:
            return
    if operation == READ:
        entry.reads += 1
        entry.read_bytes += max(ret, 0)
    else:
        entry.writes += 1
        entry.written_bytes += max(ret, 0)


def report(session: Session) -> list[dict[str, Any]]:
    """Take one interval: a row for each thread and file, first what there was most of."""
    with session[by_turn].swap(0) as past:
        keys, values = past.snapshot()
    most = ORDERS[session.option(order)](values).argsort(kind="stable")[::-1]
    return [
        row(whose, did)
        for whose, did in zip(rows(Whose, keys[most]), rows(Did, values[most]), strict=True)
    ]


def row(whose: Any, did: Any) -> dict[str, Any]:
    """Say what one thread did with one file."""
    return {
        "tid": whose.tid,
        "comm": whose.comm,
        "reads": did.reads,
        "writes": did.writes,
        "read_kb": did.read_bytes / 1024,
        "written_kb": did.written_bytes / 1024,
        "type": _KINDS[did.kind],
        "file": did.name,
    }


tool = Tool(
    __name__,
    probes=timed_transfers(count),
    report=report,
    layout=Screen(
        [
            Column("TID", 7),
            Column("COMM", 16),
            Column("READS", 6),
            Column("WRITES", 6),
            Column("R_Kb", 7, format=".0f", field="read_kb"),
            Column("W_Kb", 7, format=".0f", field="written_kb"),
            Column("T", 1, field="type"),
            Column("FILE", 0),
        ],
        keep=noclear,
    ),
    header="Tracing reads and writes of files... Hit Ctrl-C to end.",
    filters=FILTERS,
    top=maxrows,
    exclusive=[(read_only, write_only)],
    interval_s=1,
    examples="""
        filetop                       # file I/O top, 1 second refresh
        filetop -C                    # don't clear the screen
        filetop -p 181                # of process 181 only
        filetop -d /home/user         # of the files in this directory
        filetop -s reads --read-only  # first what is read most often
        filetop 5 10                  # 5 second summaries, 10 times
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
