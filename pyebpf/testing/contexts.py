"""The bytes of a context, from what a test says about an event."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pyebpf.dsl.check.kernel_types import Kernel
from pyebpf.dsl.types import Pointer
from pyebpf.errors import PyebpfError
from pyebpf.ir.types import KernelRef
from pyebpf.testing.objects import Objects, address_of

if TYPE_CHECKING:
    from pyebpf.dsl.probes import Hook, Probe
    from pyebpf.spec.target import Target, TracepointField

#: The most arguments that a tracepoint has.
_MAX_WORDS = 12


class Event:
    """What is known while a context is made."""

    def __init__(self, target: Target, objects: Objects, probe: Probe, hook: Hook) -> None:
        self.target = target
        self.objects = objects
        self.probe = probe
        self.hook = hook


def context_bytes(event: Event, args: tuple[Any, ...], fields: Mapping[str, Any]) -> bytes:
    """Return the context of an event.

    Raises:
        PyebpfError: contexts of this kind must be given as bytes.
    """
    maker = _MAKERS.get(event.hook.kind)
    if maker is None:
        kind = event.hook.kind
        raise PyebpfError(f"the context of a {kind} probe is given as bytes: context=…")
    return maker(event, args, fields)


def _tracepoint(event: Event, args: tuple[Any, ...], fields: Mapping[str, Any]) -> bytes:
    if args:
        raise TypeError("the fields of a tracepoint are given by name")
    category, _, name = event.hook.target.partition(":")
    known = {f.name: f for f in event.target.tracepoints.fields(category, name)}
    unknown = [field for field in fields if field not in known]
    if unknown:
        raise TypeError(f"{event.hook.target} has no field {', '.join(unknown)}")
    out = bytearray(max(f.offset + f.size for f in known.values()))
    for field_name, value in fields.items():
        _set_field(event, out, known[field_name], value)
    return bytes(out)


def _set_field(event: Event, out: bytearray, field: TracepointField, value: Any) -> None:
    data = value.encode() if isinstance(value, str) else value
    end = field.offset + field.size
    if field.is_dynamic:
        data = bytes(data) + (b"\0" if isinstance(value, str) else b"")
        start = len(out) - (end if field.c_type.startswith("__rel_loc") else 0)
        out[field.offset : end] = (len(data) << 16 | start).to_bytes(4, "little")
        out += data
    elif "*" in field.c_type and isinstance(data, bytes):
        address = event.objects.text(data + b"\0", kernel=False).base
        out[field.offset : end] = address.to_bytes(field.size, "little")
    elif isinstance(data, bytes):
        if len(data) > field.size:
            raise ValueError(f"{field.name}: {len(data)} bytes do not fit {field.size}")
        out[field.offset : end] = data.ljust(field.size, b"\0")
    else:
        mask = (1 << field.size * 8) - 1
        out[field.offset : end] = (address_of(value) & mask).to_bytes(field.size, "little")


def _raw(_: Event, args: tuple[Any, ...], fields: Mapping[str, Any]) -> bytes:
    if fields:
        raise TypeError("the arguments of a raw tracepoint are given by position")
    return _words([address_of(arg) for arg in args])


def _words(words: list[int]) -> bytes:
    padded = words + [0] * (_MAX_WORDS - len(words))
    return b"".join(word.to_bytes(8, "little") for word in padded)


def _typed(event: Event, args: tuple[Any, ...], fields: Mapping[str, Any]) -> bytes:
    names = list(inspect.signature(event.probe.function).parameters)
    known = Kernel(event.target).tracepoint(event.hook.target) or ()
    if len(args) > len(names):
        raise TypeError(f"{event.probe.name} takes {len(names)} arguments, not {len(args)}")
    given = {**dict(zip(names, args, strict=False)), **fields}
    unknown = [name for name in given if name not in names]
    missing = [name for name in names if name not in given]
    if unknown or missing:
        wrong = f"no argument {', '.join(unknown)}" if unknown else f"no {', '.join(missing)} given"
        raise TypeError(f"{event.probe.name}({', '.join(names)}): {wrong}")
    words = []
    for number, name in enumerate(names):
        kind = known[number].type if number < len(known) else None
        words.append(_argument(event, kind, given[name]))
    return _words(words)


def _argument(event: Event, kind: Any, value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, Mapping):
        if not isinstance(kind, Pointer) or not isinstance(kind.to, KernelRef):
            raise TypeError(f"a dict stands for a kernel object, and this is {kind}")
        return event.objects.make(kind.to.id, value).address
    return address_of(value)


_MAKERS: dict[str, Callable[[Event, tuple[Any, ...], Mapping[str, Any]], bytes]] = {
    "tracepoint": _tracepoint,
    "raw_tracepoint": _raw,
    "tp_btf": _typed,
}
