"""Attaching to instructions: kprobes of the kernel, uprobes of programs, through their PMUs."""

from __future__ import annotations

import errno
import os
import struct
from itertools import accumulate, repeat
from typing import TYPE_CHECKING

from pyebpf.abi.attr import KPROBE_MULTI, UPROBE_MULTI, perf_event_attr
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.btf.near import nearest
from pyebpf.errors import AttachError, KernelError, NotSupportedError
from pyebpf.lazy import lazy
from pyebpf.progress import counted
from pyebpf.runtime import syscall
from pyebpf.runtime.binaries import (
    file_offset,
    find_binary,
    matching_functions,
    offset_of_address,
    spot_of,
)
from pyebpf.runtime.golang import check_go
from pyebpf.runtime.kallsyms import similar_functions
from pyebpf.runtime.links.base import Link, together
from pyebpf.runtime.links.perf import link_perf_event
from pyebpf.runtime.perf_names import field_bits, source_number
from pyebpf.runtime.processes import find_in_process
from pyebpf.spec.patterns import is_pattern, matcher

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyebpf.btf import modules
    from pyebpf.runtime.links.base import Request
    from pyebpf.runtime.program import Program
else:
    modules = lazy("pyebpf.btf.modules")

ALL_PROCESSES = -1
_ANY_CPU = 0


def attach_kprobe(request: Request) -> Link:
    """Attach to ``function``, ``function+0x10``, ``module:function`` or ``0xffff…`` of the kernel.

    Since:  4.17, through the PMU ``kprobe``.
    """
    return _kprobe_at(request, request.hook)


def _kprobe_at(request: Request, place: str) -> Link:
    name, _, offset = place.partition("+")
    text, number = name.encode() + b"\0", int(offset or "0", 0)
    if name.startswith("0x"):
        text, number = b"", int(name, 16) + number
    try:
        event = open_event(request, "kprobe", text, number, -1)
    except KernelError as error:
        if error.errno not in (errno.ENOENT, errno.EADDRNOTAVAIL, errno.EINVAL, errno.EILSEQ):
            raise
        why = f"the kernel takes no kprobe at {request.hook!r}{_why_not(name)}"
        raise AttachError(why, target=request.hook) from None
    return link_perf_event(event, request, request.hook)


def _why_not(name: str) -> str:
    module, colon, function = name.rpartition(":")
    if colon and (why := modules.missing(module)):
        return f": {why}"
    if name.startswith("0x"):
        return ": no instruction of a function that may be probed begins there"
    return similar_functions(function)


#: How the kernel calls the function of a system call ``read``, by the machine.
SYSCALLS = {"x86_64": "__x64_sys_", "aarch64": "__arm64_sys_", "riscv64": "__riscv_sys_"}


def attach_ksyscall(request: Request) -> Link:
    """Attach to the system call ``openat``: where the kernel begins it, or has ended it.

    Since:  4.17, through the PMU ``kprobe``.
    """
    machine = os.uname().machine
    if machine not in SYSCALLS:
        known = ", ".join(SYSCALLS)
        raise NotSupportedError(f"how {machine} names system calls is not known, of {known} it is")
    return _kprobe_at(request, SYSCALLS[machine] + request.hook)


def attach_uprobe(request: Request) -> Link:
    """Attach to ``binary:function+0x10``, in one process or in all.

    ``binary:0x1234`` is so many bytes into the file, ``binary:@0x401234`` an address as ``objdump``
    shows it.

    Since:  4.17, through the PMU ``uprobe``.
    """
    spot, pid = spot_of(request.hook), int(request.at.get("pid", 0))
    path = binary_of(request, spot.binary)
    if spot.symbol.startswith("@"):
        place = offset_of_address(path, int(spot.symbol[1:], 0))
    else:
        place = file_offset(path, spot.symbol, spot.offset, pid)
    where = pid or ALL_PROCESSES
    event = open_event(request, "uprobe", os.fsencode(path) + b"\0", place, where)
    return link_perf_event(event, request, request.hook)


def attach_kprobe_multi(request: Request) -> Link:
    """Attach to every function of the kernel that a pattern matches.

    Since:  5.18 at once; before it one by one, with a perf event for each.
    """
    matches = matcher(request.hook)
    names = [name for name in request.tracefs.functions() if matches(name)]
    if not names:
        raise AttachError(
            f"no function of the kernel that can be probed matches {request.hook!r}",
            target=request.hook,
        )
    cookies = _cookies(request, [(name,) for name in names])
    if _has_no_link(request):
        places = [(name.encode() + b"\0", 0) for name in names]
        return _one_by_one(request, "kprobe", places, cookies)
    # One text with all names: each begins behind the end of the one before.
    text = "\0".join([*names, ""]).encode("ascii", "replace")
    starts = accumulate((len(name) + 1 for name in names[:-1]), initial=syscall.address_of(text))
    symbols = struct.pack(f"={len(names)}Q", *starts)
    flags = int(request.kind.name.startswith("kretprobe"))
    numbers = struct.pack(f"={len(cookies)}Q", *cookies)
    detail = KPROBE_MULTI.pack(
        flags,
        len(names),
        syscall.address_of(symbols),
        0,
        syscall.address_of(numbers) if numbers else 0,
    )
    kind = request.kind.attach_type
    return Link(syscall.link_create(request.prog_fd, 0, kind, detail=detail), request.hook)


def attach_uprobe_multi(request: Request) -> Link:
    """Attach to every function of a binary that a pattern matches.

    Since:  6.6 at once; before it one by one, with a perf event for each.
    """
    spot, pid = spot_of(request.hook), int(request.at.get("pid", 0))
    path, pattern = binary_of(request, spot.binary), spot.symbol
    places: dict[int, list[str]] = {}
    for name, offset in matching_functions(path, pattern, pid):
        places.setdefault(offset, []).append(name)
    if not places:
        raise AttachError(f"no function of {path!r} matches {pattern!r}", target=pattern)
    text = os.fsencode(path) + b"\0"
    cookies = _cookies(request, list(places.values()))
    if _has_no_link(request):
        return _one_by_one(request, "uprobe", [(text, offset) for offset in places], cookies)
    return link_uprobes(request, text, list(places), pid, cookies=cookies)


def link_uprobes(
    request: Request,
    text: bytes,
    offsets: Sequence[int],
    pid: int,
    *,
    cookies: Sequence[int] = (),
    counters: Sequence[int] = (),
) -> Link:
    """Attach to many instructions of a file at once.

    Args:
        request: for which program; it was loaded for such a link.
        text: the file's path, with its NUL.
        offsets: bytes into the file.
        pid: a process, or 0 for all.
        cookies: the number of each place, or none.
        counters: as in :func:`open_event`, for each place, or none.

    Since:  6.6.
    """
    lists = [struct.pack(f"={len(row)}Q", *row) for row in (offsets, counters, cookies)]
    detail = UPROBE_MULTI.pack(
        syscall.address_of(text),
        *(syscall.address_of(row) if row else 0 for row in lists),
        len(offsets),
        int(request.kind.name.startswith("uretprobe")),
        pid & 0xFFFFFFFF,
    )
    kind = request.kind.attach_type
    return Link(syscall.link_create(request.prog_fd, 0, kind, detail=detail), request.hook)


def _has_no_link(request: Request) -> bool:
    """Tell whether this kernel attaches to many places only one by one.

    Raises:
        NotSupportedError: a program that is to run at both ends of a function has no other way.
    """
    kind = request.kind
    if request.has(f"prog:{kind.name}"):
        return False
    if ".session" in kind.name:
        raise NotSupportedError(
            f"a {kind.name!r} program needs Linux {kind.since}: a probe of the function and one of "
            "its return do the same",
            feature=f"prog:{kind.name}",
            since=kind.since,
        )
    return True


def _one_by_one(
    request: Request, pmu: str, places: Sequence[tuple[bytes, int]], cookies: Sequence[int]
) -> Link:
    pid = int(request.at.get("pid", ALL_PROCESSES))
    if cookies:
        # A link to one event, as cookies need, refuses a program that was loaded for links to
        # many.
        request = request.replace(prog_fd=_as_single(request).fd)

    def each() -> Iterator[Link]:
        whole = counted(places, f"attaching {request.hook}")
        for (text, offset), cookie in zip(whole, cookies or repeat(0), strict=False):
            event = open_event(request, pmu, text, offset, pid)
            one = request.replace(cookie=cookie)
            yield link_perf_event(event, one, request.hook, by_link=bool(cookies))

    link = together(each(), request.hook)
    assert link is not None, "the caller has places"
    return link


def _as_single(request: Request) -> Program:
    """Load a program for many places once more, for one at a time."""
    assert request.program is not None
    return request.program.adapted({}, PROGRAM_KINDS[request.kind.name.replace(".multi", "")])


def binary_of(request: Request, name: str) -> str:
    """Return the path of a binary: what the process has of that name, if it is for one process.

    Raises:
        AttachError: there is none, or it is no binary for such a probe.
    """
    pid = request.at.get("pid")
    path = find_binary(name) if pid is None else find_in_process(name, int(pid))
    kind = request.kind.name
    returns = kind.startswith("uretprobe") or "session" in kind
    c_arguments = bool(request.at.get("takes_arguments")) and "abi" not in request.at
    check_go(path, returns=returns, c_arguments=c_arguments)
    return path


def _cookies(request: Request, places: Sequence[Sequence[str]]) -> list[int]:
    """Return the number of each place, of which the names are given; none if all are 0.

    Raises:
        AttachError: a number is for a function that is not among them.
    """
    rules: dict[str, int] = dict(request.at.get("cookies", ()))
    if not rules and not request.cookie:
        return []
    patterns = {rule: matcher(rule) for rule in rules if is_pattern(rule)}
    order = {rule: turn for turn, rule in enumerate(rules)}
    unused, numbers = set(rules), list[int]()
    for names in places:
        # A name is looked up: a tool gives each of some thousand functions its number.
        fitting = {name for name in names if name in order and name not in patterns}
        fitting.update(rule for rule, matches in patterns.items() if any(map(matches, names)))
        unused -= fitting
        first = min(fitting, key=order.__getitem__, default="")
        numbers.append(rules.get(first, request.cookie))
    for pattern in unused:
        near = nearest(pattern, {name for names in places for name in names})
        close = f"; the nearest: {', '.join(near)}" if near else ""
        why = f"no function that {request.hook!r} attaches to is called {pattern!r}{close}"
        raise AttachError(f"cookies=: {why}", target=pattern)
    return numbers


def open_event(
    request: Request, pmu: str, text: bytes, offset: int, pid: int, counter: int = 0
) -> int:
    """Open the event of an instruction.

    Args:
        request: for which program.
        pmu: ``"kprobe"`` or ``"uprobe"``.
        text: the function's name or the file's path, with its NUL; without it, ``offset`` is an
            address.
        offset: bytes into that.
        pid: a process, or :data:`ALL_PROCESSES`.
        counter: where in the file a 16-bit number is that the kernel keeps higher by 1 meanwhile; 0
            for none. Since 4.20.
    """
    returns = request.kind.name.startswith(("kretprobe", "kretsyscall", "uretprobe"))
    kind, bit = _numbers(pmu)
    attr = perf_event_attr(
        kind,
        int(returns) << bit | (counter << _counter_bit(pmu) if counter else 0),
        sample_period=1,
        config1=syscall.address_of(text) if text else 0,
        config2=offset,
    )
    return syscall.perf_event_open(attr, pid, -1 if pid >= 0 else _ANY_CPU, text=text)


def _counter_bit(pmu: str) -> int:
    """Return the lowest bit of the number that says where a counter of users is."""
    try:
        return field_bits(pmu, "ref_ctr_offset")[1][0]
    except OSError:
        raise NotSupportedError(
            "this kernel cannot count for the semaphore of a probe",
            feature="uprobe_counter",
            since="4.20",
        ) from None


def _numbers(pmu: str) -> tuple[int, int]:
    """Return the number of a PMU, and the bit that asks for the function's return."""
    try:
        kind, bit = source_number(pmu), field_bits(pmu, "retprobe")[1][0]
    except OSError:
        raise NotSupportedError(
            f"this kernel has no {pmu}s (CONFIG_{pmu.upper()}_EVENTS), or /sys is not mounted",
            feature=pmu,
            since="4.17",
        ) from None
    return kind, bit
