"""The system calls that load and attach, where a head start may have made them already.

Each function makes its call as :mod:`pyebpf.runtime.call` does, or takes what ``headstart`` made
ahead with the same words and the same memory, and tells it what succeeded. While nothing is noted
it costs one comparison more.
"""

from __future__ import annotations

import ctypes
import os
import sys
from struct import unpack_from
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.abi.attr import BTF_LOAD, LINK_CREATE, MAP_CREATE, PERF_EVENT_ATTR, PROG_LOAD
from pyebpf.abi.insn import CALL, DW, IMM, JMP, LD, SIZE
from pyebpf.headstart import WORDS, own
from pyebpf.plain import Frozen
from pyebpf.runtime import call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyebpf.headstart import Call, Place

#: Kinds of programs that only look on. What others do must not happen unasked.
_LOOK_ON = (
    c.BPF_PROG_TYPE_KPROBE,
    c.BPF_PROG_TYPE_TRACEPOINT,
    c.BPF_PROG_TYPE_PERF_EVENT,
    c.BPF_PROG_TYPE_RAW_TRACEPOINT,
    c.BPF_PROG_TYPE_TRACING,
)
#: Helpers that do more: printk, probe_write_user, override_return, send_signal, its like, vprintk.
_ACTING = (6, 36, 58, 109, 117, 177)
#: Links whose attribute points nowhere.
_PLAIN_LINKS = (c.BPF_PERF_EVENT, c.BPF_TRACE_RAW_TP, c.BPF_TRACE_FENTRY, c.BPF_TRACE_FEXIT)

_LOAD_CONSTANT, _CALL = LD | IMM | DW, JMP | CALL
_ORDER = sys.byteorder
_OF_MAPS = (c.BPF_PSEUDO_MAP_FD, c.BPF_PSEUDO_MAP_VALUE)
#: Where these are in ``struct perf_event_attr``, and in the parts of ``union bpf_attr``.
_CONFIG1 = 56
_INNER_MAP_FD, _MAP_BTF_FD = 20, 48
_INSNS, _LICENSE, _PROG_BTF_FD, _FUNC_INFO, _LINE_INFO, _ATTACH_FD = 8, 16, 72, 80, 96, 112

#: What an attribute points to, by where it does; where descriptors are; whether the result is one.
_Found = tuple["list[tuple[int, bytes]]", "list[Place]", bool]


class _Known(Frozen):
    """A call, in the words of :meth:`pyebpf.headstart.HeadStart.note`."""

    call: Call
    addresses: tuple[tuple[int, Place], ...]
    fds: tuple[Place, ...]
    opens: bool = True


def bpf(
    cmd: int,
    attr: bytes | bytearray,
    pointed: Sequence[tuple[int, bytes]] = (),
    held: Sequence[Place] = (),
) -> int:
    """Call ``bpf(2)``; return its result or ``-errno``.

    Args:
        cmd: ``BPF_*`` of ``enum bpf_cmd``.
        attr: the attribute.
        pointed: what it points to, by where it does, if it does not tell the sizes of that.
        held: where there are descriptors in that.
    """
    if not own.notes:
        return call.bpf(cmd, attr)
    return _once(_known_bpf(cmd, bytes(attr), pointed, held), lambda: call.bpf(cmd, attr))


def perf_event_open(attr: bytes, text: bytes, *words: int) -> int:
    """Call ``perf_event_open(2)``; return its result or ``-errno``.

    Args:
        attr: :func:`pyebpf.abi.attr.perf_event_attr`.
        text: what its ``config1`` points to; empty for none.
        words: the other arguments.
    """

    def real() -> int:
        return call.words(call.NUMBERS.perf_event_open, call.address_of(attr), *words)

    return _once(_known_event(attr, text, words), real) if own.notes else real()


def ioctl(fd: int, request: int, argument: int) -> int:
    """Call ``ioctl(2)`` of a perf event; return its result or ``-errno``."""
    if not own.notes:
        return call.ioctl(fd, request, argument)
    fds = {c.PERF_EVENT_IOC_SET_BPF: (0, 2), c.PERF_EVENT_IOC_ENABLE: (0,)}.get(request)
    known = None
    if fds is not None:
        places = tuple((WORDS, at) for at in fds)
        known = _Known(("ioctl", (fd, request, argument), ()), (), places, opens=False)
    return _once(known, lambda: call.ioctl(fd, request, argument))


def _once(known: _Known | None, real: Callable[[], int]) -> int:
    taken = None if known is None else own.take(known.call)
    result = real() if taken is None else taken
    if result < 0:
        return result
    if taken is None:
        opens = result > 0 if known is None else known.opens
        own.miss(result if opens else None)
    if known is None:
        own.spoil()
    else:
        own.note(known.call, known.addresses, known.fds, result, opens=known.opens)
    return result


def _known_bpf(
    cmd: int, attr: bytes, pointed: Sequence[tuple[int, bytes]], held: Sequence[Place]
) -> _Known | None:
    """Describe a call; None for what is not to be repeated."""
    row = _ROWS.get(cmd)
    found = None if row is None else row(attr)
    if found is None:
        return None
    own_pointed, fds, opens = found
    memories, addresses = [attr], [(0, (WORDS, 2))]
    for at, data in (*own_pointed, *pointed):
        memories[0] = memories[0][:at] + bytes(8) + memories[0][at + 8 :]
        addresses.append((len(memories), (0, at)))
        memories.append(data)
    words = (call.NUMBERS.bpf, cmd, 0, len(attr), 0, 0, 0)
    return _Known(("syscall", words, tuple(memories)), tuple(addresses), (*fds, *held), opens)


def _known_event(attr: bytes, text: bytes, words: tuple[int, ...]) -> _Known | None:
    kind, _, config = PERF_EVENT_ATTR.unpack(attr)[:3]
    if (kind, config) == (c.PERF_TYPE_SOFTWARE, c.PERF_COUNT_SW_BPF_OUTPUT):
        return None  # of a buffer, which is more than this call
    _, _, group_fd, flags = words
    if group_fd != -1 or flags != c.PERF_FLAG_FD_CLOEXEC:
        return None
    memories, addresses = [attr], [(0, (WORDS, 1))]
    if text:
        if text.startswith(b"/"):  # a binary, whose functions may move
            own.depends_on(os.fsdecode(text[:-1]))
        memories = [attr[:_CONFIG1] + bytes(8) + attr[_CONFIG1 + 8 :], text]
        addresses.append((1, (0, _CONFIG1)))
    padded = (call.NUMBERS.perf_event_open, 0, *words, 0)
    return _Known(("syscall", padded, tuple(memories)), tuple(addresses), ())


def _map_create(attr: bytes) -> _Found | None:
    if len(attr) > MAP_CREATE.size:  # with a token
        return None
    return [], _descriptors(attr, _INNER_MAP_FD, _MAP_BTF_FD), True


def _first_value(attr: bytes) -> _Found:
    return [], _descriptors(attr, 0), False


def _btf_load(attr: bytes) -> _Found | None:
    if len(attr) > BTF_LOAD.size:  # with a token
        return None
    data, log, size, *_ = BTF_LOAD.unpack(attr)
    return None if log else ([(0, ctypes.string_at(data, size))], [], True)


def _raw_tracepoint(attr: bytes) -> _Found:
    (name,) = unpack_from("=Q", attr)
    named = [(0, ctypes.string_at(name) + b"\0")] if name else []
    return named, _descriptors(attr, 8), True


def _link_create(attr: bytes) -> _Found | None:
    _, _, kind, _ = LINK_CREATE.unpack_from(attr)
    return ([], _descriptors(attr, 0, 4), True) if kind in _PLAIN_LINKS else None


def _prog_load(attr: bytes) -> _Found | None:
    kind, count, code, name, _, _, log, _, flags, *rest = PROG_LOAD.unpack_from(attr)
    _, _, attach_type, _, *infos, _, _, _, fd_array = rest[:14]
    if log or fd_array or flags & c.BPF_F_TOKEN_FD or kind not in _LOOK_ON:
        return None
    if kind == c.BPF_PROG_TYPE_TRACING and attach_type == c.BPF_MODIFY_RETURN:
        return None
    text = ctypes.string_at(code, count * SIZE)
    of_maps = _maps_of(text)
    if of_maps is None:
        return None
    pointed = [(_INSNS, text), (_LICENSE, ctypes.string_at(name) + b"\0")]
    for at, (size, address, number) in zip(
        (_FUNC_INFO, _LINE_INFO), (infos[:3], infos[3:]), strict=True
    ):
        if address:
            pointed.append((at, ctypes.string_at(address, size * number)))
    fds = _descriptors(attr, _PROG_BTF_FD, _ATTACH_FD)
    return pointed, [*fds, *((1, at) for at in of_maps)], True


def _maps_of(code: bytes) -> list[int] | None:
    """Return where in instructions the descriptors of maps are; None if they do more than look."""
    places, at = [], 0
    while at < len(code):
        operation, registers = code[at], code[at + 1]
        source = registers >> 4 if _ORDER == "little" else registers & 15
        if operation == _CALL and _acts(source, code[at + 4 : at + 8]):
            return None
        if operation == _LOAD_CONSTANT:
            if source in _OF_MAPS:
                places.append(at + 4)
            elif source == c.BPF_PSEUDO_BTF_ID and any(code[at + 12 : at + 16]):
                return None  # a variable of a module
            at += 8  # it takes two
        at += 8
    return places


def _acts(source: int, number: bytes) -> bool:
    """Tell whether a call is one of a function of the kernel's, or of a helper, that may act."""
    if source == c.BPF_PSEUDO_KFUNC_CALL:
        return True
    return source == 0 and int.from_bytes(number, _ORDER) in _ACTING


def _descriptors(attr: bytes, *places: int) -> list[Place]:
    return [(0, at) for at in places if any(attr[at : at + 4])]


_ROWS: dict[int, Callable[[bytes], _Found | None]] = {
    c.BPF_MAP_CREATE: _map_create,
    c.BPF_MAP_UPDATE_ELEM: _first_value,
    c.BPF_MAP_FREEZE: _first_value,
    c.BPF_BTF_LOAD: _btf_load,
    c.BPF_PROG_LOAD: _prog_load,
    c.BPF_RAW_TRACEPOINT_OPEN: _raw_tracepoint,
    c.BPF_LINK_CREATE: _link_create,
}
