"""The bytes of a context, from what a test says about an event."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.abi.registers import REGISTERS
from pyebpf.dsl.check.contexts.arguments import RESULT, place_of, prototype_of
from pyebpf.dsl.check.kernel_types import Kernel
from pyebpf.dsl.check.signature import annotated_type
from pyebpf.dsl.types import KernelRef, Pointer, Space
from pyebpf.dsl.uapi import CONTEXTS, context_struct
from pyebpf.errors import PyebpfError
from pyebpf.spec.dtype import pack
from pyebpf.spec.types import Record
from pyebpf.testing.objects import Objects, address_of

if TYPE_CHECKING:
    from pyebpf.dsl.probes import Hook, Probe
    from pyebpf.spec.target import Target, TracepointField

#: The most arguments that a tracepoint has.
_MAX_WORDS = 12
_WORD_MASK = (1 << 64) - 1


class Event:
    """What is known while a context is made."""

    def __init__(
        self, target: Target, objects: Objects, probe: Probe, hook: Hook, packet: bytes | bytearray
    ) -> None:
        self.target = target
        self.packet = packet
        self.objects = objects
        self.probe = probe
        self.hook = hook


def context_bytes(event: Event, args: tuple[Any, ...], fields: Mapping[str, Any]) -> bytes:
    """Return the context of an event.

    Raises:
        PyebpfError: contexts of this kind must be given as bytes.
    """
    maker = _MAKERS.get(PROGRAM_KINDS[event.hook.kind].context)
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
    given = _by_name(event, args, fields, skip=0)
    prototype = prototype_of(event.hook, Kernel(event.target))
    assert prototype is not None
    out = bytearray(8 * _MAX_WORDS)
    for name, place in zip(given, place_of(event.hook, list(given), prototype), strict=True):
        assert place is not None
        word = _argument(event, place.type, given[name])
        out[8 * place.word : 8 * place.word + 8] = (word & _WORD_MASK).to_bytes(8, "little")
    return bytes(out)


def _by_name(
    event: Event, args: tuple[Any, ...], fields: Mapping[str, Any], *, skip: int
) -> dict[str, Any]:
    """Return what a test gives for each parameter of a probe but the first ``skip``."""
    names = list(inspect.signature(event.probe.function).parameters)[skip:]
    if len(args) > len(names):
        raise TypeError(f"{event.probe.name} takes {len(names)} arguments, not {len(args)}")
    given = {**dict(zip(names, args, strict=False)), **fields}
    unknown = [name for name in given if name not in names]
    missing = [name for name in names if name not in given]
    if unknown or missing:
        wrong = f"no argument {', '.join(unknown)}" if unknown else f"no {', '.join(missing)} given"
        raise TypeError(f"{event.probe.name}({', '.join(names)}): {wrong}")
    return {name: given[name] for name in names}


def _contexts(probe: Probe) -> int:
    """Return how many contexts a probe asks for before the arguments in registers."""
    names = [*inspect.signature(probe.function).parameters][:1]
    return sum(annotated_type(probe.function, name) is None for name in names)


def _registers(event: Event, args: tuple[Any, ...], fields: Mapping[str, Any]) -> bytes:
    registers, is_call = REGISTERS[event.target.machine], event.hook.kind == "ksyscall"
    out = bytearray(8 * len(registers.names))
    named = {name: value for name, value in fields.items() if name in registers.names}
    rest = {name: value for name, value in fields.items() if name not in named}
    given = _by_name(event, args, rest, skip=_contexts(event.probe))
    in_order = registers.syscall_arguments if is_call else registers.arguments
    held = [registers.result] if RESULT in given else in_order
    known = Kernel(event.target).function(event.hook.target.partition("+")[0], Space.KERNEL)
    kinds = known.arguments if known and RESULT not in given else ()
    for number, (register, value) in enumerate(zip(held, given.values(), strict=False)):
        kind = kinds[number].type if number < len(kinds) else None
        named[register] = _argument(event, kind, value)
    for register, value in named.items():
        at = registers.offset(register)
        out[at : at + 8] = (int(value) & _WORD_MASK).to_bytes(8, "little")
    if not is_call:
        return bytes(out)
    # These are the registers of the process, which the kernel's function gets the address of.
    inside = event.objects.text(bytes(out), kernel=True).base
    at, out = registers.offset(registers.arguments[0]), bytearray(len(out))
    out[at : at + 8] = inside.to_bytes(8, "little")
    return bytes(out)


def _usdt(event: Event, args: tuple[Any, ...], fields: Mapping[str, Any]) -> bytes:
    registers = REGISTERS[event.target.arch]
    out = bytearray(8 * len(registers.names))
    named = {name: value for name, value in fields.items() if name in registers.names}
    rest = {name: value for name, value in fields.items() if name not in named}
    given = _by_name(event, args, rest, skip=_contexts(event.probe)).values()
    words = {**named, **dict(zip(registers.stand_ins, map(address_of, given), strict=False))}
    for register, value in words.items():
        at = registers.offset(register)
        out[at : at + 8] = (int(value) & _WORD_MASK).to_bytes(8, "little")
    return bytes(out)


def _struct(event: Event, args: tuple[Any, ...], fields: Mapping[str, Any]) -> bytes:
    if args:
        raise TypeError("the fields of a context are given by name, a packet as packet=…")
    struct = context_struct(CONTEXTS[PROGRAM_KINDS[event.hook.kind].context])
    assert struct is not None
    values = dict(fields)
    if struct.bounds:
        values[struct.bounds[1]] = len(event.packet)
    given = {
        name: address_of(value) if name in struct.pointers else value
        for name, value in values.items()
    }
    return _record_bytes(struct.record, given)


def _custom(event: Event, args: tuple[Any, ...], fields: Mapping[str, Any]) -> bytes:
    record = event.probe.record()
    if args:
        raise TypeError("the fields of the record that a caller passes are given by name")
    return _record_bytes(record, fields) if record is not None else b""


def _record_bytes(record: Record, fields: Mapping[str, Any]) -> bytes:
    """Return a record with some fields; the others are 0."""
    out = bytearray(record.size)
    for name, value in fields.items():
        field = record.field(name)
        if field is None:
            raise TypeError(f"{record.name} has no field {name!r}")
        out[field.offset : field.offset + field.type.size] = pack(field.type, value)
    return bytes(out)


def _argument(event: Event, kind: Any, value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, Mapping):
        if not isinstance(kind, Pointer) or not isinstance(kind.to, KernelRef):
            raise TypeError(f"a dict stands for a kernel object, and this is {kind}")
        return event.objects.make(kind.to.id, value).address
    return address_of(value)


_MAKERS: dict[str, Callable[[Event, tuple[Any, ...], Mapping[str, Any]], bytes]] = {
    "record": _tracepoint,
    "words": _raw,
    "arguments": _typed,
    "pt_regs": _registers,
    "usdt": _usdt,
    "custom": _custom,
    **dict.fromkeys(CONTEXTS, _struct),
}
