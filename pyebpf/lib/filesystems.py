"""What file systems do for programs: reads, writes, opens and syncs, from begin to end.

Where these begin and end are functions of the kernel. Where a kernel lets nobody in there, system
calls stand for them; they are known by the file system that their file is on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyebpf.dsl.access import cast, offsetof, read_kernel
from pyebpf.dsl.builtins import ktime_get_ns, tid
from pyebpf.dsl.maps import Hash
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives, first_of
from pyebpf.dsl.probes.tracing import tracepoint
from pyebpf.dsl.records import record
from pyebpf.dsl.scalars import Ptr, TracepointContext, i32, i64, u32, u64
from pyebpf.kernel import file as File  # noqa: N812 - `file` is what parameters are called
from pyebpf.kernel import inode, kiocb
from pyebpf.lib.filters import is_wanted
from pyebpf.lib.fs import file_of, is_regular
from pyebpf.lib.sources import at_entry, at_exit
from pyebpf.lib.syscalls import LEGACY
from pyebpf.plain import Frozen

READ, WRITE, OPEN, SYNC = range(4)
#: What the operations are called.
WORDS = ("read", "write", "open", "fsync")

#: Calls of the time before those that end with ``at``.
_LEGACY = ("open", "creat")
#: Threads that may be inside of one kind of operation at once.
_INSIDE = 10_240


class FileSystem(Frozen):
    """A file system.

    Attributes:
        name: of it.
        magic: ``s_magic`` of its superblocks (``include/uapi/linux/magic.h``).
        read, write, open, sync: what its files have as ``read_iter``, ``write_iter``, ``open`` and
            ``fsync`` in their ``file_operations``.
    """

    name: str
    magic: int
    read: str
    write: str
    open: str
    sync: str


EXT4 = FileSystem(
    "ext4",
    0xEF53,
    read="ext4_file_read_iter",
    write="ext4_file_write_iter",
    open="ext4_file_open",
    sync="ext4_sync_file",
)
XFS = FileSystem(
    "xfs",
    0x58465342,
    read="xfs_file_read_iter",
    write="xfs_file_write_iter",
    open="xfs_file_open",
    sync="xfs_file_fsync",
)
BTRFS = FileSystem(
    "btrfs",
    0x9123683E,
    read="btrfs_file_read_iter",
    write="btrfs_file_write_iter",
    open="btrfs_file_open",
    sync="btrfs_sync_file",
)


@record
class Begun:
    """An operation that has begun.

    Attributes:
        ns: when, as of ``ktime_get_ns``.
        file: the file.
        position: where the kernel keeps the offset, and moves it forward; 0 if it does not.
        offset: where in the file it begins, as far as this was known then. Bytes.
    """

    ns: u64
    file: Ptr[File]
    position: u64
    offset: i64


#: What is called at the end: the operation, how it began, and what it gave.
OnDone = Callable[[u32, Begun, i64], None]


def offset_of(begun: Begun, ret: i64) -> i64:
    """Return where in the file an operation began, when it has given ``ret``.

    Units:  bytes.
    """
    # What is appended begins at the end of the file, which the file system finds out itself.
    if begun.position and ret > 0:
        return read_kernel(i64, begun.position) - ret
    return begun.offset


def timed(of: FileSystem, run: OnDone) -> list[Alternatives]:
    """Return what to load to have a function called when an operation ends.

    Of whom the options of :mod:`pyebpf.lib.filters` ask for, if a tool has these.

    Args:
        of: the file system.
        run: called with ``(operation: u32, begun: Begun, ret: i64)``: one of :data:`READ` and its
            like, how it began, and the number of bytes, 0, or a negative error number.

    What runs inside of another operation, as the sync that is part of a write to a file opened with
    ``O_SYNC``, is one too. Of asynchronous I/O only the beginning is seen: ``ret`` is -529,
    ``EIOCBQUEUED`` of ``include/linux/errno.h``. Files that are mapped are read and written without
    any of these, and ``sendfile`` and ``splice`` have functions of their own since Linux 6.5.

    Where system calls must do, nested syncs and failed opens are not seen, ``io_uring`` neither,
    the time to look for the path of a file is that of its opening, and a file is on the file system
    that a program sees, not on one that lies below.
    """
    calls = (
        _transfer_calls(of.magic, READ, run),
        _transfer_calls(of.magic, WRITE, run),
        _open_calls(of, run),
        _sync_calls(of, run),
    )
    functions = (of.read, of.write, of.open, of.sync)
    return [
        first_of(*_functions(functions[number], number, run), calls[number], name=word)
        for number, word in enumerate(WORDS)
    ]


def timed_transfers(run: OnDone) -> list[Alternatives]:
    """Return what to load to have a function called when a read or a write of any file ends.

    Of whom the options of :mod:`pyebpf.lib.filters` ask for, if a tool has these.
    Of any file, pipes and sockets too, whatever is behind it; what ``read``, ``write``, ``pread64``
    and ``pwrite64`` do, not calls with vectors. Where in the file is not told.

    Args:
        run: as of :func:`timed`.
    """
    return [
        first_of(
            *_functions(f"vfs_{WORDS[number]}", number, run),
            _transfer_calls(0, number, run),
            name=WORDS[number],
        )
        for number in (READ, WRITE)
    ]


def _functions(name: str, number: int, run: OnDone) -> list[tuple[Probe, ...]]:
    inside = Hash[u32, Begun](max_entries=_INSIDE)

    def begin(file: Ptr[File], position: u64, offset: i64) -> None:
        if is_wanted():
            _note(inside, file, position, offset)

    def transfer(iocb: Ptr[kiocb]) -> None:
        begin(iocb.ki_filp, cast(u64, iocb) + offsetof(kiocb, "ki_pos"), iocb.ki_pos)

    def transfer_of_any(file: Ptr[File]) -> None:
        # The offset is behind a pointer to a number, which fentry programs of Linux 5.10 may not
        # have.
        begin(file, 0, -1)

    def opening(_: Ptr[inode], file: Ptr[File]) -> None:
        begin(file, 0, 0)

    def syncing(file: Ptr[File], start: i64) -> None:
        begin(file, 0, start)

    def end(ret: i64) -> None:
        begun = inside.pop(tid())
        if begun is not None:
            run(number, begun, ret)

    enter: Any = (transfer, transfer, opening, syncing)[number]
    if name.startswith("vfs_"):
        enter = transfer_of_any
    return list(zip(at_entry(name, enter, True), at_exit(name, end, True), strict=True))


def _note(inside: Hash[u32, Begun], file: Ptr[File], position: u64, offset: i64) -> None:
    """Note that this thread begins an operation."""
    inside[tid()] = Begun(ns=ktime_get_ns(), file=file, position=position, offset=offset)


def _at(side: str, *names: str) -> Callable[[Callable[[TracepointContext], None]], Probe]:
    """Return what makes a probe where system calls begin (``enter``) or end (``exit``)."""

    def decorate(function: Callable[[TracepointContext], None]) -> Probe:
        probe: Any = function
        for name in reversed(names):
            there = LEGACY if name in _LEGACY else True
            probe = tracepoint(f"syscalls:sys_{side}_{name}", when=there)(probe)
        made: Probe = probe
        return made

    return decorate


def _file_of(fd: i32, magic: u64) -> Ptr[File] | None:
    """Return the file of a descriptor of this process.

    None if it is not on the file system asked for, or no plain file of that.
    """
    file = file_of(fd)
    if file is None:
        return None
    if magic and (file.f_inode.i_sb.s_magic != magic or not is_regular(file)):
        return None
    return file


def _transfer_calls(magic: int, number: int, run: OnDone) -> tuple[Probe, ...]:
    inside, word = Hash[u32, Begun](max_entries=_INSIDE), WORDS[number]
    here, there = [word], [f"p{word}64"]
    anywhere: list[str] = []
    if magic:  # vfs_read and vfs_write are not called for these
        here.append(f"{word}v")
        anywhere += [f"p{word}v", f"p{word}v2"]

    def begin(fd: u32, offset: i64) -> None:
        if not is_wanted():
            return
        file = _file_of(fd, magic)
        if file is None:
            return
        if offset < 0:  # where the file is
            _note(inside, file, cast(u64, file) + offsetof(File, "f_pos"), file.f_pos)
        else:
            _note(inside, file, 0, offset)

    @_at("enter", *here)
    def begin_here(ctx: TracepointContext) -> None:
        begin(ctx.fd, -1)

    @_at("enter", *there)
    def begin_there(ctx: TracepointContext) -> None:
        begin(ctx.fd, ctx.pos)

    @_at("enter", *anywhere)
    def begin_anywhere(ctx: TracepointContext) -> None:
        begin(ctx.fd, cast(i64, ctx.pos_l))

    @_at("exit", *here, *there, *anywhere)
    def end(ctx: TracepointContext) -> None:
        begun = inside.pop(tid())
        if begun is not None:
            run(number, begun, ctx.ret)

    begins = (begin_here, begin_there, *([begin_anywhere] if anywhere else []))
    return *begins, end


def _open_calls(of: FileSystem, run: OnDone) -> tuple[Probe, ...]:
    inside, magic = Hash[u32, u64](max_entries=_INSIDE), of.magic
    names = ("open", "creat", "openat", "openat2")

    @_at("enter", *names)
    def begin_open(_: TracepointContext) -> None:
        if is_wanted():
            inside[tid()] = ktime_get_ns()  # which file it will be is known at the end

    @_at("exit", *names)
    def end_open(ctx: TracepointContext) -> None:
        since = inside.pop(tid())
        if since is None or ctx.ret < 0:
            return
        file = _file_of(ctx.ret, magic)
        if file is not None:
            run(OPEN, Begun(ns=since, file=file, position=0, offset=0), 0)

    return begin_open, end_open


def _sync_calls(of: FileSystem, run: OnDone) -> tuple[Probe, ...]:
    inside, magic = Hash[u32, Begun](max_entries=_INSIDE), of.magic
    names = ("fsync", "fdatasync")

    @_at("enter", *names)
    def begin_sync(ctx: TracepointContext) -> None:
        if is_wanted():
            file = _file_of(ctx.fd, magic)
            if file is not None:
                _note(inside, file, 0, 0)

    @_at("exit", *names)
    def end_sync(ctx: TracepointContext) -> None:
        begun = inside.pop(tid())
        if begun is not None:
            run(SYNC, begun, ctx.ret)

    return begin_sync, end_sync
