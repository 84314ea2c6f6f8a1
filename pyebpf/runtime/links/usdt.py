"""Attaching to USDT probes: at every place that has the probe, with its arguments.

Each place has its own operands for the arguments. The program is loaded once for each set of them,
with functions that read just these; places with equal operands share one. So it works where uprobes
do, without cookies or maps, and costs a probe that is hit one call for each argument it reads.
Newer kernels attach a program to all its places at once, the others to one after the other.
"""

from __future__ import annotations

import errno
import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.abi.registers import REGISTERS
from pyebpf.btf.near import nearest
from pyebpf.errors import AttachError, FormatError, KernelError
from pyebpf.runtime.image import open_image
from pyebpf.runtime.links.base import Link, Links
from pyebpf.runtime.links.closing import close_all
from pyebpf.runtime.links.perf import link_perf_event
from pyebpf.runtime.links.probes import ALL_PROCESSES, binary_of, link_uprobes, open_event
from pyebpf.runtime.usdt.arguments import parse_arguments
from pyebpf.runtime.usdt.code import read_argument
from pyebpf.runtime.usdt.notes import Site, sites_of
from pyebpf.runtime.usdt.places import Unreadable
from pyebpf.spec.types import Address, Bool, Int
from pyebpf.spec.usdt import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyebpf.abi.programs import ProgramKind
    from pyebpf.runtime.image import Image
    from pyebpf.runtime.links.base import Request
    from pyebpf.runtime.usdt.arguments import Argument
    from pyebpf.spec.types import DataType

_SIGNS = frozenset("*?[")
#: So many probes of a binary are listed where none resembles the name that was asked for.
_LISTED = 8


class _Place(NamedTuple):
    """Where to attach in a file, and the functions that read the arguments there."""

    offset: int
    counter: int
    bodies: tuple[tuple[str, bytes], ...]


def attach_usdt(request: Request) -> Link:
    """Attach to ``binary:provider:probe``, in one process or in all.

    Since:  4.17, through the PMU ``uprobe``; with a semaphore 4.20; at once 6.6.
    """
    if request.hook.count(":") < 2:
        why = "write binary:provider:probe, as in '/usr/bin/python3:python:gc__start'"
        raise AttachError(f"{request.hook!r} is no USDT probe: {why}", target=request.hook)
    binary, provider, name = request.hook.rsplit(":", 2)
    path = binary_of(request, binary)
    with open_image(path) as image:
        places = [_place(site, image, request) for site in _chosen(image, provider, name)]
    return _attach(path, places, request)


def _attach(path: str, places: list[_Place], request: Request) -> Link:
    text, links = os.fsencode(path) + b"\0", list[Link]()
    try:
        if not _at_once(text, places, request, links):
            _one_by_one(text, places, request, links)
    except BaseException:
        close_all(links)
        raise
    return links[0] if len(links) == 1 else Links(links, request.hook)


def _one_by_one(text: bytes, places: list[_Place], request: Request, links: list[Link]) -> None:
    pid = int(request.at.get("pid", ALL_PROCESSES))
    for adapted, group in _adapted(places, request, request.kind):
        for place in group:
            event = open_event(request, "uprobe", text, place.offset, pid, place.counter)
            links.append(link_perf_event(event, adapted, request.hook))


def _at_once(text: bytes, places: list[_Place], request: Request, links: list[Link]) -> bool:
    """Attach to places with equal operands by one link, if there are several and the kernel can.

    It takes a tenth of a second to detach one perf event, whatever else there is to detach.
    """
    kind = PROGRAM_KINDS[f"uprobe.multi{'.s' if request.kind.name.endswith('.s') else ''}"]
    if len(places) < 2 or request.program is None or not request.has(f"prog:{kind.name}"):
        return False
    pid = int(request.at.get("pid", 0))
    for adapted, group in _adapted(places, request, kind):
        offsets = [place.offset for place in group]
        if pid and not links and not _sees_threads(adapted, text, offsets):
            return False
        cookies = [request.cookie] * len(group) if request.cookie else ()
        counters = [place.counter for place in group]
        links.append(link_uprobes(adapted, text, offsets, pid, cookies=cookies, counters=counters))
    return True


def _sees_threads(request: Request, text: bytes, offsets: list[int]) -> bool:
    """Tell whether a link to one process is for all its threads.

    Before Linux commit 46ba0e49b642 ("bpf: fix multi-uprobe PID filtering logic") (in v6.10) it was
    for the first one only; that commit also has impossible processes refused as such.
    """
    try:
        link_uprobes(request, text, offsets, -1).close()
    except KernelError as error:
        return error.errno == errno.EINVAL
    return False


def _adapted(
    places: list[_Place], request: Request, kind: ProgramKind
) -> Iterator[tuple[Request, list[_Place]]]:
    """Yield the places that one program is for, with the request to attach that; load it before."""
    groups: dict[tuple[tuple[str, bytes], ...], list[_Place]] = {}
    for place in places:
        groups.setdefault(place.bodies, []).append(place)
    for bodies, group in groups.items():
        if not bodies and kind == request.kind:
            yield request, group
            continue
        assert request.program is not None
        program = request.program.adapted(dict(bodies), kind)
        yield request.replace(prog_fd=program.fd, kind=kind), group


# -- which places


def _chosen(image: Image, provider: str, name: str) -> list[Site]:
    """Return the places that a provider and a name mean.

    Raises:
        AttachError: there are none, or they are of different probes and no pattern was given.
    """
    machine = os.uname().machine
    if image.machine != machine:
        raise AttachError(
            f"{image.path!r} is for {image.machine}, this machine is {machine}", target=name
        )
    sites = sites_of(image)
    wanted = name if provider == "*" else f"{provider}:{name}"
    found = [s for s in sites if fnmatchcase(s.name, name) and fnmatchcase(s.provider, provider)]
    probes = sorted({site.probe for site in found})
    if len(probes) > 1 and not _SIGNS.intersection(name):
        raise AttachError(
            f"{image.path!r} has {' and '.join(probes)}: name the provider too", target=wanted
        )
    if not found:
        raise AttachError(_none(image.path, wanted, sites), target=wanted)
    return found


def _none(path: str, wanted: str, sites: list[Site]) -> str:
    """Say that there is no such probe, and what else there is."""
    if not sites:
        return (
            f"{path!r} has no USDT probes: it was built without <sys/sdt.h>, or its section "
            ".note.stapsdt was removed"
        )
    names = sorted({site.probe for site in sites})
    word = wanted.rpartition(":")[2]
    words = (word, *nearest(word, (site.name for site in sites)))
    near = dict.fromkeys(nearest(wanted, names))
    near |= dict.fromkeys(probe for probe in names if probe.partition(":")[2] in words)
    if near:
        shown = f"the nearest: {', '.join(near)}"
    else:
        more = len(names) - _LISTED
        shown = f"it has {', '.join(names[:_LISTED])}{f' and {more} more' if more > 0 else ''}"
    return f"{path!r} has no USDT probe {wanted!r}; {shown}"


# -- arguments there


def _place(site: Site, image: Image, request: Request) -> _Place:
    counter = _counter(site, image) if site.semaphore else 0
    return _Place(image.place(site.address), counter, _bodies(site, image, request))


def _counter(site: Site, image: Image) -> int:
    try:
        # It has a section of its own, .probes; without that it is 0 at first, and not in the file.
        return image.place(site.semaphore, mapped=True)
    except FormatError:
        why = "its semaphore is in no page that is mapped from the file, so the kernel cannot count"
        raise _wrong(site, why) from None


def _bodies(site: Site, image: Image, request: Request) -> tuple[tuple[str, bytes], ...]:
    """Return the functions that read the arguments of one place, for those that are read."""
    declared = request.at.get("arguments", ())
    if not declared or request.program is None:
        return ()
    passed = parse_arguments(site.arguments, image.machine)
    if len(declared) > len(passed):
        count = f"{len(passed)} argument{'s' * (len(passed) != 1)}"
        raise _wrong(site, f"it has {count}, and {len(declared)} are declared")
    used = request.program.linked.names
    bodies = []
    for number, ((name, kind), argument) in enumerate(zip(declared, passed, strict=False)):
        if reader(number) not in used:
            continue
        if isinstance(argument.place, Unreadable):
            raise _wrong(site, f"argument `{name}` cannot be read: it is {argument.place.reason}")
        if not _holds(kind, argument):
            got = argument.type_name if argument.value is None else str(argument.value)
            advice = f"declare {argument.type_name}, or u64 or i64, which take any"
            raise _wrong(site, f"`{name}: {kind}` gets {got} there: {advice}")
        code = read_argument(
            argument,
            REGISTERS[image.machine],
            lambda symbol: _distance(site, image, symbol),
            sleepable=request.kind.name.endswith(".s"),
        )
        bodies.append((reader(number), code))
    return tuple(bodies)


def _distance(site: Site, image: Image, symbol: str) -> int:
    address = image.symbol_address(symbol)
    if address is None:
        raise _wrong(site, f"an argument is at the symbol {symbol!r}, which was stripped")
    return address - site.address


def _holds(kind: DataType, argument: Argument) -> bool:
    """Tell whether a declared type has every value that an argument may have."""
    value = argument.value
    if isinstance(kind, Address):
        return argument.size == 8 or value is not None  # NULL is often an int
    if isinstance(kind, Bool):
        return True
    assert isinstance(kind, Int)
    if kind.bits == 64:
        return True
    if value is not None:
        return kind.low <= value <= kind.high
    passed = Int(8 * argument.size, argument.signed)
    return kind.low <= passed.low and passed.high <= kind.high


def _wrong(site: Site, why: str) -> AttachError:
    place = (
        f"at {site.address:#x} ({site.arguments})" if site.arguments else f"at {site.address:#x}"
    )
    return AttachError(f"USDT probe {site.probe} {place}: {why}", target=site.probe)
