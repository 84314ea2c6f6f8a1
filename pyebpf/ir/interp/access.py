"""Variables, memory, the context, and fields of kernel objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.errors import InternalError
from pyebpf.ir import nodes
from pyebpf.ir.fields import core_number, storage
from pyebpf.ir.interp.faults import ProbeFault
from pyebpf.ir.interp.memory import check_defined
from pyebpf.ir.interp.numbers import WORD, wrapped
from pyebpf.ir.nodes import RmwOp, Value
from pyebpf.ir.types import VOID, Pointer, Space
from pyebpf.spec.objects import CoreKind
from pyebpf.spec.types import Bool, Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.btf import Btf
    from pyebpf.ir.interp.code import Code, Frame, Operation
    from pyebpf.ir.types import Type


def is_signed(kind: Type) -> bool:
    """Tell whether numbers of a type may be negative."""
    return isinstance(kind, Int) and kind.signed


def space(value: Value) -> Space | None:
    """Return the memory that a pointer points into."""
    return value.type.space if isinstance(value.type, Pointer) else None


def read_slot(code: Code, instr: nodes.ReadSlot) -> Operation:
    """Make the reading of a variable."""
    at, to = code.places[instr.slot], code.place(instr)
    if instr.slot not in code.in_memory:

        def plain(r: Frame) -> None:
            r[to] = r[at]

        return plain
    size, signed = instr.type.size, is_signed(instr.type)

    def do(r: Frame) -> None:
        region = r[at]
        check_defined(region, 0, size, instr)
        r[to] = int.from_bytes(region.data[:size], "little", signed=signed)

    return do


def write_slot(code: Code, instr: nodes.WriteSlot) -> Operation:
    """Make an assignment to a variable."""
    at, value = code.places[instr.slot], code.place(instr.value)
    if instr.slot not in code.in_memory:

        def plain(r: Frame) -> None:
            r[at] = r[value]

        return plain
    size, written = instr.slot.type.size, b"\1" * instr.slot.type.size
    mask = (1 << size * 8) - 1

    def do(r: Frame) -> None:
        region = r[at]
        region.data[:size] = (r[value] & mask).to_bytes(size, "little")
        region.defined[:size] = written

    return do


def slot_addr(code: Code, instr: nodes.SlotAddr) -> Operation:
    """Make the taking of a variable's address."""
    at, to = code.places[instr.slot], code.place(instr)

    def do(r: Frame) -> None:
        r[to] = r[at].base

    return do


def load(code: Code, instr: nodes.Load) -> Operation:
    """Make a load. The kernel gives 0 for a typed kernel pointer that leads nowhere."""
    pointer, to, memory = code.place(instr.pointer), code.place(instr), code.machine.memory
    size, signed = instr.type.size, is_signed(instr.type)
    truth = isinstance(instr.type, Bool)
    safe = space(instr.pointer) is Space.BTF

    def do(r: Frame) -> None:
        address = r[pointer]
        if safe and not memory.readable(address, size):
            r[to] = 0
            return
        region, offset = memory.find(address, size, instr)
        if region.defined is not None:
            check_defined(region, offset, size, instr)
        number = int.from_bytes(region.data[offset : offset + size], "little", signed=signed)
        r[to] = int(number != 0) if truth else number

    return do


def store(code: Code, instr: nodes.Store) -> Operation:
    """Make a store."""
    pointer, value, memory = code.place(instr.pointer), code.place(instr.value), code.machine.memory
    size = instr.value.type.size
    mask = (1 << size * 8) - 1

    def do(r: Frame) -> None:
        memory.write(r[pointer], (r[value] & mask).to_bytes(size, "little"), instr)

    return do


def store_unknown(code: Code, instr: nodes.StoreUnknown) -> Operation:
    """Make a store of 8 bytes."""
    pointer, value, memory = code.place(instr.pointer), code.place(instr.value), code.machine.memory

    def do(r: Frame) -> None:
        memory.write(r[pointer], (r[value] & WORD).to_bytes(8, "little"), instr)

    return do


def forget(_code: Code, _instr: nodes.Forget) -> Operation:
    """Do nothing: what is forgotten is known to the verifier only."""
    return lambda _: None


def fill(code: Code, instr: nodes.Fill) -> Operation:
    """Make the writing of zeros."""
    pointer, memory, zeros = code.place(instr.pointer), code.machine.memory, bytes(instr.size)

    def do(r: Frame) -> None:
        memory.write(r[pointer], zeros, instr)

    return do


def copy(code: Code, instr: nodes.Copy) -> Operation:
    """Make a copy."""
    target, source, memory = code.place(instr.target), code.place(instr.source), code.machine.memory
    size, safe = instr.size, space(instr.source) is Space.BTF

    def do(r: Frame) -> None:
        address = r[source]
        if safe and not memory.readable(address, size):
            memory.write(r[target], bytes(size), instr)
            return
        memory.write(r[target], memory.read(address, size, instr), instr)

    return do


def member(code: Code, instr: nodes.Member) -> Operation:
    """Make the address of a member."""
    base, to, offset = code.place(instr.base), code.place(instr), instr.offset

    def do(r: Frame) -> None:
        r[to] = r[base] + offset & WORD

    return do


def element(code: Code, instr: nodes.Element) -> Operation:
    """Make the address of an element; the front end promised that the index is in range."""
    base, index, to = code.place(instr.base), code.place(instr.index), code.place(instr)
    stride, length = instr.stride, instr.length

    def do(r: Frame) -> None:
        at = r[index]
        if not 0 <= at < length:
            raise ProbeFault(f"element {at} of an array of {length}", instr.span)
        r[to] = r[base] + at * stride & WORD

    return do


def atomic_rmw(code: Code, instr: nodes.AtomicRmw) -> Operation:
    """Make an atomic change."""
    pointer, value, memory = code.place(instr.pointer), code.place(instr.value), code.machine.memory
    size, signed = instr.value.type.size, is_signed(instr.value.type)
    mask, change = (1 << size * 8) - 1, _RMW[instr.op]
    to = None if instr.type == VOID else code.place(instr)

    def do(r: Frame) -> None:
        old = int.from_bytes(memory.read(r[pointer], size, instr), "little", signed=signed)
        new = change(old, r[value]) & mask
        memory.write(r[pointer], new.to_bytes(size, "little"), instr)
        if to is not None:
            r[to] = old

    return do


_RMW: dict[RmwOp, Callable[[int, int], int]] = {
    RmwOp.ADD: int.__add__,
    RmwOp.AND: int.__and__,
    RmwOp.OR: int.__or__,
    RmwOp.XOR: int.__xor__,
    RmwOp.EXCHANGE: lambda _, new: new,
}


def compare_exchange(code: Code, instr: nodes.CompareExchange) -> Operation:
    """Make a store that happens only where an expected number stands."""
    pointer, to, memory = code.place(instr.pointer), code.place(instr), code.machine.memory
    expected, new = code.place(instr.expected), code.place(instr.new)
    size, signed = instr.type.size, is_signed(instr.type)
    mask = (1 << size * 8) - 1

    def do(r: Frame) -> None:
        old = int.from_bytes(memory.read(r[pointer], size, instr), "little", signed=signed)
        if old == r[expected]:
            memory.write(r[pointer], (r[new] & mask).to_bytes(size, "little"), instr)
        r[to] = old

    return do


def global_addr(code: Code, instr: nodes.GlobalAddr) -> Operation:
    """Make the address of a global variable."""
    address, to = code.machine.global_address(instr.variable), code.place(instr)

    def do(r: Frame) -> None:
        r[to] = address

    return do


def ctx_load(code: Code, instr: nodes.CtxLoad) -> Operation:
    """Make a read of the context."""
    context, to, memory = code.place(instr.context), code.place(instr), code.machine.memory
    offset, width, kind = instr.offset, instr.width, instr.type
    is_bool, machine = isinstance(kind, Bool), code.machine
    if space(instr) is Space.PACKET:
        # The context of a test says where in the packet; the address is the machine's affair.
        def bound(r: Frame) -> None:
            at = int.from_bytes(memory.read(r[context] + offset, width, instr), "little")
            r[to] = machine.packet.base + at

        return bound

    def do(r: Frame) -> None:
        number = int.from_bytes(memory.read(r[context] + offset, width, instr), "little")
        r[to] = int(number & 0xFF != 0) if is_bool else wrapped(kind, number)

    return do


def advance(code: Code, instr: nodes.Advance) -> Operation:
    """Make an address further on in a packet."""
    base, to, by = code.place(instr.base), code.place(instr), code.place(instr.offset)

    def do(r: Frame) -> None:
        r[to] = r[base] + r[by]

    return do


def within(code: Code, instr: nodes.Within) -> Operation:
    """Make the test of a place against the end of a packet."""
    pointer, end, to, size = (
        code.place(instr.pointer),
        code.place(instr.end),
        code.place(instr),
        instr.size,
    )

    def do(r: Frame) -> None:
        r[to] = int(r[pointer] + size <= r[end])

    return do


def field_addr(code: Code, instr: nodes.FieldAddr) -> Operation:
    """Make the address of a field of a kernel object."""
    base, to = code.place(instr.base), code.place(instr)
    steps = instr.path.steps
    offset = core_number(_btf(code), CoreKind.FIELD_BYTE_OFFSET, instr.path) if steps else 0

    def do(r: Frame) -> None:
        r[to] = r[base] + offset & WORD

    return do


def core_value(code: Code, instr: nodes.CoreValue) -> Operation:
    """Make a number that the loader would fill in."""
    to = code.place(instr)
    if instr.kind in (CoreKind.TYPE_ID_LOCAL, CoreKind.TYPE_ID_TARGET):
        number = instr.path.root.id
    else:
        number = core_number(_btf(code), instr.kind, instr.path, instr.enumerator)
    number = wrapped(instr.type, number)

    def do(r: Frame) -> None:
        r[to] = number

    return do


def kernel_load(code: Code, instr: nodes.KernelLoad) -> Operation:
    """Make a read that gives 0 where nothing can be read."""
    pointer, to, memory = code.place(instr.pointer), code.place(instr), code.machine.memory
    size, signed = instr.type.size, is_signed(instr.type)
    kind = instr.type

    def do(r: Frame) -> None:
        number = 0
        if memory.readable(r[pointer], size):
            data = memory.read(r[pointer], size, instr)
            number = int.from_bytes(data, "little", signed=signed)
        r[to] = wrapped(kind, number)

    return do


def bitfield_read(code: Code, instr: nodes.BitfieldRead) -> Operation:
    """Make the read of a bit-field of a kernel object."""
    base, to, memory = code.place(instr.base), code.place(instr), code.machine.memory
    place = storage(_btf(code), instr.path)
    bits, kind = 64 - place.rshift, instr.type
    shift = 64 - place.lshift - bits

    def do(r: Frame) -> None:
        address, number = r[base] + place.byte_offset, 0
        if memory.readable(address, place.byte_size):
            word = int.from_bytes(memory.read(address, place.byte_size, instr), "little")
            number = word >> shift & (1 << bits) - 1
            if place.signed:
                number = Int(64, signed=True).wrap(number << place.rshift) >> place.rshift
        r[to] = wrapped(kind, number)

    return do


def _btf(code: Code) -> Btf:
    if code.machine.target.btf is None:
        raise InternalError("a kernel field is used, but the target has no BTF")
    return code.machine.target.btf


ACCESS: dict[type[Value], Callable[[Code, Any], Operation]] = {
    nodes.ReadSlot: read_slot,
    nodes.WriteSlot: write_slot,
    nodes.SlotAddr: slot_addr,
    nodes.Load: load,
    nodes.Store: store,
    nodes.StoreUnknown: store_unknown,
    nodes.Fill: fill,
    nodes.Forget: forget,
    nodes.Copy: copy,
    nodes.Member: member,
    nodes.Element: element,
    nodes.AtomicRmw: atomic_rmw,
    nodes.CompareExchange: compare_exchange,
    nodes.GlobalAddr: global_addr,
    nodes.CtxLoad: ctx_load,
    nodes.Advance: advance,
    nodes.Within: within,
    nodes.FieldAddr: field_addr,
    nodes.CoreValue: core_value,
    nodes.KernelLoad: kernel_load,
    nodes.BitfieldRead: bitfield_read,
}
