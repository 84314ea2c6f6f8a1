"""Choose how each field of a kernel object, and each byte of a process, is read.

A pointer that the verifier knows the type of is loaded through; any other needs a helper, which
gives zero where nothing can be read. Bit-fields are read as libbpf's macros do: the word that holds
the field, shifted left and right by numbers that the loader fills in. So is a plain number that a
helper reads for other kernels than the target: there it may be a bit-field, wider or narrower.

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
    MemberStep,
    Select,
    Slot,
    Value,
)
from pyebpf.ir.rewrite import replace_operands
from pyebpf.ir.types import BOOL, U32, U64, Pointer, Space
from pyebpf.spec.objects import CoreKind
from pyebpf.spec.types import I64, Bool, Int

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import FieldPath, Function
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
        if not self.target.exact and isinstance(pointer, FieldAddr) and _may_differ(pointer, kind):
            return self.cut_out(self.word(pointer, pointer.path), pointer.path, kind)
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
            word = self.word(address, instr.path)
        return self.cut_out(word, instr.path, instr.type)

    def word(self, address: Value, path: FieldPath) -> Value:
        """Read the word that holds a field, as wide as it is in the kernel that loads this."""
        slot = self.slot(U64)
        self.build.write(slot, self.build.const(0, U64))
        self.probe(slot, self.core(CoreKind.FIELD_BYTE_SIZE, path, U32), address)
        return self.build.read(slot)

    def cut_out(self, word: Value, path: FieldPath, to: Type) -> Value:
        build = self.build
        high = build.binary(BinaryOp.SHL, word, self.core(CoreKind.FIELD_LSHIFT_U64, path, U64))
        if self.target.exact:
            signed = isinstance(to, Int) and to.signed
            low = self.shifted(high, path, I64 if signed else U64)
        else:  # whether it has a sign says the kernel that loads this; only one way is left there
            has_sign = self.core(CoreKind.FIELD_SIGNED, path, BOOL)
            ways = [build.convert(self.shifted(high, path, kind), U64) for kind in (I64, U64)]
            low = build.add(Select(U64, build.span, has_sign, *ways))
        if isinstance(to, Bool):
            return build.compare(CompareOp.NE, low, build.const(0, low.type))
        return build.convert(low, to)

    def shifted(self, high: Value, path: FieldPath, kind: Type) -> Value:
        right = self.core(CoreKind.FIELD_RSHIFT_U64, path, kind)
        return self.build.binary(BinaryOp.SHR, self.build.convert(high, kind), right)

    def core(self, kind: CoreKind, path: FieldPath, result: Type) -> Value:
        return self.build.add(CoreValue(result, self.build.span, kind, path))


def _may_differ(pointer: FieldAddr, kind: Type) -> bool:
    """Tell whether a field can be a bit-field, or of another width, in another kernel.

    CO-RE has no shifts for elements of arrays.
    """
    steps = pointer.path.steps
    return isinstance(kind, Int | Bool) and bool(steps) and isinstance(steps[-1], MemberStep)


def _space(pointer: Value) -> Space:
    assert isinstance(pointer.type, Pointer), pointer
    return pointer.type.space


def _bytes_at(base: Value) -> Pointer:
    return Pointer(_space(base))
