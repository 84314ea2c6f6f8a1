"""Choose how each field of a kernel object, and each byte of a process, is read.

A pointer that the verifier knows the type of is loaded through; any other needs a helper, which
gives zero where nothing can be read. Bit-fields are read as libbpf's macros do: the word that holds
the field, shifted left and right by numbers that the loader fills in.

Takes:  any function.
Gives:  the function without ``KernelLoad`` and ``BitfieldRead``.
Reports: nothing.
Source:  ``BPF_CORE_READ_BITFIELD`` and ``BPF_CORE_READ_BITFIELD_PROBED`` of libbpf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.errors import InternalError
from pyebpf.ir.build import Builder
from pyebpf.ir.fields import storage
from pyebpf.ir.nodes import (
    BinaryOp,
    BitfieldRead,
    Block,
    CompareOp,
    CoreValue,
    FieldAddr,
    KernelLoad,
    Load,
    Slot,
    Value,
)
from pyebpf.ir.rewrite import replace_operands
from pyebpf.ir.types import U32, U64, Pointer, Space
from pyebpf.spec.objects import CoreKind
from pyebpf.spec.types import I64, Bool, Int

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function
    from pyebpf.ir.types import Type
    from pyebpf.spec.target import Target

_ACCESSES = (KernelLoad, BitfieldRead)


def choose_kernel_access(fn: Function, context: Context) -> bool:
    """Replace every kernel access by loads and helper calls."""
    found = any(isinstance(i, _ACCESSES) for b in fn.blocks for i in b.instrs)
    if found:
        _Rewriter(fn, context.target).run()
    return found


class _Rewriter:
    def __init__(self, fn: Function, target: Target) -> None:
        self.fn = fn
        self.target = target
        self.known: dict[Value, Value] = {}
        # One slot per type serves all reads: each value is taken out at once.
        self.scratch: dict[Type, Slot] = {}
        self.build = Builder(fn)

    def run(self) -> None:
        for block in self.fn.blocks:
            before, block.instrs = block.instrs, []
            self.build.block = block
            for instr in before:
                self.one(block, instr)
        # A loop may use a value before the block that computes it stands in the list.
        for block in self.fn.blocks:
            for instr in block.instrs:
                replace_operands(instr, self.known)

    def one(self, block: Block, instr: Value) -> None:
        replace_operands(instr, self.known)
        self.build.span = instr.span
        if isinstance(instr, KernelLoad):
            self.known[instr] = self.load(instr.pointer, instr.type)
        elif isinstance(instr, BitfieldRead):
            self.known[instr] = self.bitfield(instr)
        else:
            block.instrs.append(instr)

    def load(self, pointer: Value, kind: Type) -> Value:
        if _space(pointer) is Space.BTF:
            return self.build.add(Load(kind, self.build.span, pointer))
        slot = self.slot(kind)
        size = self.build.const(slot.type.size, U32)
        self.probe(slot, size, pointer)
        return self.build.read(slot)

    def probe(self, slot: Slot, size: Value, pointer: Value) -> None:
        # The helper zeroes the slot when it fails, so nothing needs to be written before.
        name = "probe_read_user" if _space(pointer) is Space.USER else "probe_read_kernel"
        if not self.target.has(f"helper:{name}"):
            name = "probe_read"
        self.build.call(name, (self.build.addr(slot), size, pointer), I64)

    def slot(self, kind: Type) -> Slot:
        if kind not in self.scratch:
            self.scratch[kind] = self.build.slot("read", kind)
        return self.scratch[kind]

    def bitfield(self, instr: BitfieldRead) -> Value:
        if self.target.btf is None:
            raise InternalError(f"{instr.path} is read, but the target has no BTF")
        build, place = self.build, storage(self.target.btf, instr.path)
        address = build.add(FieldAddr(_bytes_at(instr.base), instr.span, instr.base, instr.path))
        if _space(instr.base) is Space.BTF:
            word = build.convert(build.load(address, Int(place.byte_size * 8)), U64)
        else:
            slot = self.slot(U64)
            build.write(slot, build.const(0, U64))
            self.probe(slot, self.core(CoreKind.FIELD_BYTE_SIZE, instr, U32), address)
            word = build.read(slot)
        return self.cut_out(word, instr)

    def cut_out(self, word: Value, instr: BitfieldRead) -> Value:
        build = self.build
        high = build.binary(BinaryOp.SHL, word, self.core(CoreKind.FIELD_LSHIFT_U64, instr, U64))
        signed = isinstance(instr.type, Int) and instr.type.signed
        kind = I64 if signed else U64
        right = self.core(CoreKind.FIELD_RSHIFT_U64, instr, kind)
        low = build.binary(BinaryOp.SHR, build.convert(high, kind), right)
        if isinstance(instr.type, Bool):
            return build.compare(CompareOp.NE, low, build.const(0, kind))
        return build.convert(low, instr.type)

    def core(self, kind: CoreKind, instr: BitfieldRead, result: Type) -> Value:
        return self.build.add(CoreValue(result, instr.span, kind, instr.path))


def _space(pointer: Value) -> Space:
    assert isinstance(pointer.type, Pointer), pointer
    return pointer.type.space


def _bytes_at(base: Value) -> Pointer:
    return Pointer(_space(base))
