"""Block I/O requests: their way to the device and back, their disks, what their flags say.

First come sources (see :mod:`pyebpf.lib.sources`), then functions for probes, which expand them in
place, then functions for reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from pyebpf.btf.system import kernel_enum
from pyebpf.dsl.access import cast
from pyebpf.dsl.builtins import comm, has_field, ktime_get_ns, tgid
from pyebpf.dsl.maps import Hash
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.dsl.probes.tracing import tp_btf
from pyebpf.dsl.records import chars, record
from pyebpf.dsl.scalars import Char, Ptr, i32, u32, u64
from pyebpf.errors import NotSupportedError
from pyebpf.kernel import bio, gendisk, request, request_queue
from pyebpf.lib.filters import is_filtering, is_wanted
from pyebpf.lib.sources import at_entry, source

#: What is called with what stands for a request, and its disk.
OnBegin = Callable[[u64, u32], None]
#: What is called with a request.
OnRequest = Callable[[Ptr[request]], None]
#: What is called with a request, an error and a number of bytes.
OnCompletion = Callable[[Ptr[request], i32, u32], None]


def begun(*, when: Any = True) -> Callable[[OnBegin], Alternatives]:
    """Run when I/O that somebody asks for becomes a request.

    The function is called with ``(what: u64, dev: u32)``: what :func:`note_begun` knows the request
    by, and its disk as :func:`disk_dev` has it.

    The task that runs is the one that asks: a program, or a thread of the kernel for what is
    written back. More may be merged into the request before it is issued. Before Linux 6.5 there is
    no such moment for commands of drivers, and on disks whose statistics are off.
    """

    def ways(run: OnBegin) -> Iterable[Probe | tuple[Probe, ...]]:
        @tp_btf("block_io_start", when=when)
        def by_tracepoint(rq: Ptr[request]) -> None:
            run(key_of(rq), disk_dev(rq))

        def by_function(rq: Ptr[request]) -> None:
            run(key_of(rq), disk_dev(rq))

        @tp_btf("block_getrq", when=when)
        def by_bio(b: Ptr[bio]) -> None:
            run(cast(u64, b), dev_of_bio(b))

        # The tracepoint came with Linux kernel commit 5a80bd075f3b ("block: introduce
        # block_io_start/block_io_done tracepoints") (in v6.5). Before, there was a function to
        # keep the disk's statistics, which since v5.16 has its name with underscores. Where the
        # compiler has put that into its caller, only the first bio of the request is to be had.
        return (
            by_tracepoint,
            *at_entry("__blk_account_io_start", by_function, when),
            *at_entry("blk_account_io_start", by_function, when),
            by_bio,
        )

    return source(ways)


def inserted(*, when: Any = True) -> Callable[[OnRequest], Alternatives]:
    """Run when a request enters the queue of the I/O scheduler: ``(rq: Ptr[request])``."""
    return _request("block_rq_insert", when)


def issued(*, when: Any = True) -> Callable[[OnRequest], Alternatives]:
    """Run when a request goes to its device: ``(rq: Ptr[request])``."""
    return _request("block_rq_issue", when)


def _request(name: str, when: Any) -> Callable[[OnRequest], Alternatives]:
    def ways(run: OnRequest) -> Iterable[Probe]:
        @tp_btf(name, when=when)
        def by_request(rq: Ptr[request]) -> None:
            run(rq)

        # Since Linux kernel commit a54895fa057c ("block: remove the request_queue to argument
        # request based tracepoints") (in v5.11), the request comes first.
        @tp_btf(name, when=when)
        def by_queue(_: Ptr[request_queue], rq: Ptr[request]) -> None:
            run(rq)

        return by_request, by_queue

    return source(ways)


def completed(*, when: Any = True) -> Callable[[OnCompletion], Alternatives]:
    """Run when a device has done a request, or a part of it.

    The function is called with ``(rq: Ptr[request], error: i32, nr_bytes: u32)``: 0 or what went
    wrong, and how much was done now.
    """

    def ways(run: OnCompletion) -> Iterable[Probe]:
        @tp_btf("block_rq_complete", when=when)
        def by_request(rq: Ptr[request], error: i32, nr_bytes: u32) -> None:
            run(rq, error, nr_bytes)

        return (by_request,)

    return source(ways)


def disk_dev(rq: Ptr[request]) -> u32:
    """Return the kernel's number of a request's disk, as ``pyebpf.host.disks`` has it.

    0 where there is no disk, as for a command to a tape drive.
    """
    # Since Linux kernel commit f3fa33acca9f ("block: remove the ->rq_disk field in struct request")
    # (in v5.17), the disk is reached through the queue. Before that, the request pointed at it.
    if has_field(request_queue, "disk"):
        return _dev_of(rq.q.disk)
    if has_field(request, "rq_disk"):
        return _dev_of(rq.rq_disk)
    return 0


def dev_of_bio(b: Ptr[bio]) -> u32:
    """Return the kernel's number of the disk of a bio, as :func:`disk_dev` does."""
    # Since Linux kernel commit 309dca309fc3 ("block: store a block_device pointer in struct bio")
    # (in v5.12), the disk is reached through the device. Before that, the bio pointed at it.
    if has_field(bio, "bi_bdev"):
        return _dev_of(b.bi_bdev.bd_disk)
    return _dev_of(b.bi_disk)


def _dev_of(disk: Ptr[gendisk]) -> u32:
    dev: u32 = disk.major << 20 | disk.first_minor
    return dev


def key_of(rq: Ptr[request]) -> u64:
    """Return what tables know a request by."""
    return cast(u64, rq)


def bytes_left(rq: Ptr[request]) -> u32:
    """Return how much of a request is still to be done; all of it, when it is issued.

    Units:  bytes.
    """
    left: u32 = rq.__data_len  # noqa: SLF001 - the kernel's name
    return left


def first_sector(rq: Ptr[request]) -> u64:
    """Return where what is still to be done of a request begins.

    Units:  sectors of 512 bytes, from the beginning of the disk.
    """
    sector: u64 = rq.__sector  # noqa: SLF001 - the kernel's name
    return sector


@record
class Asked:
    """A request on its way: who asked for it, and what for.

    Nobody was seen if ``begun_ns`` is 0; ``pid`` is 0 then, ``comm`` empty.

    Units:  times as of ``ktime_get_ns``; a sector has 512 bytes, ``size`` is in bytes.
    """

    begun_ns: u64
    issued_ns: u64
    sector: u64
    size: u32
    flags: u32
    pid: u32
    comm: Char = chars(16)


def note_begun(asked: Hash[u64, Asked], what: u64) -> None:
    """Note who asks for a request, in a probe at :func:`begun`.

    Of whom the options of :mod:`pyebpf.lib.filters` ask for, if a tool has these.
    """
    if not is_wanted():
        del asked[what]  # what was noted of another request, which was in this place before
        return
    now = ktime_get_ns()
    asked[what] = Asked(
        begun_ns=now, issued_ns=0, sector=0, size=0, flags=0, pid=tgid(), comm=comm()
    )


def who_asked(asked: Hash[u64, Asked], rq: Ptr[request]) -> Asked | None:
    """Take out who asked for a request, in a probe at :func:`issued`; None if nobody was seen."""
    found = asked.pop(key_of(rq))
    if found is None:
        found = asked.pop(first_bio(rq))
    return found


def first_bio(rq: Ptr[request]) -> u64:
    """Return what :func:`begun` may have known a request by, until it is issued."""
    return cast(u64, rq.bio)


def is_noted(asked: Hash[u64, Asked], rq: Ptr[request]) -> bool:
    """Tell whether it was seen who asked for a request, and is wanted."""
    return key_of(rq) in asked or first_bio(rq) in asked


def forget(asked: Hash[u64, Asked], rq: Ptr[request]) -> None:
    """Forget who asked for a request, in a probe at :func:`completed`."""
    del asked[key_of(rq)]
    del asked[first_bio(rq)]


def note_issued(asked: Hash[u64, Asked], rq: Ptr[request]) -> None:
    """Note what is asked for under :func:`key_of` the request, in a probe at :func:`issued`."""
    # A request merged into another never completes, so what was noted of it stays, until its place
    # in memory is used for another one, which begins as well. (That start_time_ns is later than
    # what was noted proves nothing: newer kernels set it after the beginning.)
    if is_filtering() and not is_noted(asked, rq):
        return
    nobody = Asked(pid=0)  # type: ignore[call-arg] # what is left out is 0 and empty
    found = asked.setdefault(key_of(rq), nobody)
    if not found.begun_ns:
        by_bio = asked.pop(first_bio(rq))
        if by_bio is not None:
            found.begun_ns, found.pid, found.comm = by_bio.begun_ns, by_bio.pid, by_bio.comm
    found.issued_ns = ktime_get_ns()
    found.sector = first_sector(rq)
    found.size = bytes_left(rq)
    found.flags = rq.cmd_flags


#: How a request lies to the one before it on its disk.
FIRST, SEQUENTIAL, RANDOM = 0, 1, 2


def lies(ends: Hash[u32, u64], dev: u32, sector: u64, size: u32) -> u32:
    """Tell how a request lies to the one before: FIRST, SEQUENTIAL or RANDOM.

    Args:
        ends: where the last request to each disk ended; brought up to date.
        dev: of the disk.
        sector: where the request begins.
        size: in bytes.
    """
    end = ends.get(dev)
    ends[dev] = sector + (size >> 9)
    if end is None:
        return FIRST
    return SEQUENTIAL if end == sector else RANDOM


_OPERATION_MASK = 0xFF  # REQ_OP_MASK of include/linux/blk_types.h


def operation(cmd_flags: u32) -> u32:
    """Return the operation alone of a request's ``cmd_flags``, a number of ``enum req_op``."""
    return cmd_flags & _OPERATION_MASK


#: What an operation is called, by its name in ``enum req_op`` without ``REQ_OP_``.
_OPERATIONS = {
    "READ": "Read",
    "WRITE": "Write",
    "FLUSH": "Flush",
    "DISCARD": "Discard",
    "SECURE_ERASE": "SecureErase",
    "WRITE_SAME": "WriteSame",
    "WRITE_ZEROES": "WriteZeros",
    "ZONE_RESET": "ZoneReset",
    "ZONE_RESET_ALL": "ZoneResetAll",
    "ZONE_APPEND": "ZoneAppend",
    "ZONE_OPEN": "ZoneOpen",
    "ZONE_CLOSE": "ZoneClose",
    "ZONE_FINISH": "ZoneFinish",
    "DRV_IN": "DriverIn",
    "DRV_OUT": "DriverOut",
}
#: What a flag is called, by its name in ``enum req_flag_bits`` without ``__REQ_``; the last that is
#: set is said first.
_FLAGS = {
    "SYNC": "Sync",
    "META": "Metadata",
    "FUA": "ForcedUnitAccess",
    "PRIO": "Priority",
    "NOMERGE": "NoMerge",
    "IDLE": "Idle",
    "RAHEAD": "ReadAhead",
    "BACKGROUND": "Background",
    "NOWAIT": "NoWait",
}


def flag_words(cmd_flags: int) -> str:
    """Say a request's ``cmd_flags`` in words: ``"Sync-Write"``.

    Flags that BCC has no word for are left out.

    Raises:
        NotSupportedError: the kernel's BTF does not say what the bits mean.
    """
    operations, flags = _meanings()
    words = [word for bit, word in flags if cmd_flags >> bit & 1]
    return "-".join([*reversed(words), operations.get(cmd_flags & _OPERATION_MASK, "Unknown")])


#: The letter of an operation, as the kernel's own trace has them.
_LETTERS = {"Read": "R", "Write": "W", "Flush": "F", "Discard": "D", "SecureErase": "D"}


def letter(cmd_flags: int) -> str:
    """Return the letter of a request's operation: R, W, D (discard), F (flush), N (others).

    Raises:
        NotSupportedError: the kernel's BTF does not say what the bits mean.
    """
    word = _meanings()[0].get(cmd_flags & _OPERATION_MASK, "")
    return _LETTERS.get(word, "N")


@cache
def _meanings() -> tuple[dict[int, str], list[tuple[int, str]]]:
    # The numbers differ between kernels; the names do not. Before Linux kernel commit ff07a02e9e8e
    # ("treewide: Rename enum req_opf into enum req_op") (in v6.0), the enum had another name.
    operations = _enum("REQ_OP_", "req_op", "req_opf")
    bits = _enum("__REQ_", "req_flag_bits")
    named = {operations[name]: word for name, word in _OPERATIONS.items() if name in operations}
    return named, [(bits[name], word) for name, word in _FLAGS.items() if name in bits]


def _enum(prefix: str, *names: str) -> dict[str, int]:
    for name in names:
        if found := kernel_enum(name):
            return {word.removeprefix(prefix): number for word, number in found.items()}
    raise NotSupportedError(f"the kernel's BTF has no enum {' or '.join(names)}", feature="btf")


def regrouped(hists: Any, section: str, words: Any) -> Any:
    """Return a keyed histogram whose keys are what ``words`` says of the old ones.

    Keys of which it says the same become one.
    """
    merged: dict[str, Any] = {}
    for key, hist in hists.items():
        word = words(key)
        merged[word] = merged[word] + hist if word in merged else hist
    return type(hists)(merged, hists.empty, section=section)
