"""How many instructions of a program run for one event: a small machine for the code of both sides.

It knows what the twenty programs need and no more. Helpers are calls, each one instruction; maps
are empty at first, and the run that counts is the second one, so entries are there.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from pyebpf.abi import insn as i
from pyebpf.spec.objects import ObjectSpec, SymbolUse

_WORD = (1 << 64) - 1
_SIZES = {i.W: 4, i.H: 2, i.B: 1, i.DW: 8}
_ARITHMETIC: dict[int, Callable[[int, int], int]] = {
    i.ADD: operator.add, i.SUB: operator.sub, i.MUL: operator.mul, i.OR: operator.or_,
    i.AND: operator.and_, i.XOR: operator.xor, i.MOV: lambda _, right: right,
    i.DIV: lambda left, right: left // right if right else 0,
    i.MOD: lambda left, right: left % right if right else left,
}  # fmt: skip
_UNSIGNED: dict[int, Callable[[int, int], object]] = {
    i.JEQ: operator.eq, i.JNE: operator.ne, i.JGT: operator.gt, i.JGE: operator.ge,
    i.JLT: operator.lt, i.JLE: operator.le, i.JSET: operator.and_,
}  # fmt: skip
_SIGNED: dict[int, Callable[[int, int], object]] = {
    i.JSGT: operator.gt, i.JSGE: operator.ge, i.JSLT: operator.lt, i.JSLE: operator.le,
}  # fmt: skip
_ARENA, _STACK, _BEGIN = 1 << 20, 1 << 16, 2 << 16
_PID_TGID, _NOW = 7 << 32 | 9, 1_000_000
_LOOKUP, _UPDATE, _DELETE, _COMM, _RESERVE, _TASK = 1, 2, 3, 16, 131, 158
_NUMBERS = {5: _NOW, 8: 0, 14: _PID_TGID, 132: 0}


def executed(spec: ObjectSpec, name: str, context: bytes) -> int:
    """Return how many instructions the second run of a program takes."""
    machine = _Machine(spec, name)
    machine.run(context)
    return machine.run(context)


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class _Machine:
    def __init__(self, spec: ObjectSpec, name: str) -> None:
        (function,) = (f for f in spec.functions if f.name == name)
        (section,) = (s for s in spec.sections if s.name == function.section)
        end = function.start + function.count
        self.code = i.decode(section.code)[function.start : end]
        self.symbols = {s.insn - function.start: s for s in section.symbols}
        self.maps = {each.name: each for each in spec.maps}
        self.memory, self.free = bytearray(_ARENA), _BEGIN
        self.entries: dict[tuple[str, bytes], int] = {}
        self.handles: dict[int, str] = {}

    def run(self, context: bytes) -> int:
        """Run the program once."""
        self.registers = [0] * 11
        self.registers[1], self.registers[10] = self.room(len(context)), _STACK
        self.store(self.registers[1], int.from_bytes(context, "little"), len(context))
        at = count = 0
        while self.code[at].code != i.JMP | i.EXIT:
            at += self.step(at, self.code[at])
            count += 1
        return count + 1

    def room(self, size: int) -> int:
        self.free += -(-size // 8) * 8
        return self.free - -(-size // 8) * 8

    def load(self, address: int, size: int) -> int:
        return int.from_bytes(self.memory[address : address + size], "little")

    def store(self, address: int, value: int, size: int) -> None:
        self.memory[address : address + size] = (value & ((1 << 8 * size) - 1)).to_bytes(
            size, "little"
        )

    def step(self, at: int, insn: i.Insn) -> int:
        """Run one instruction; return how far the next one is."""
        r = self.registers
        if insn.is_wide:
            r[insn.dst] = self.wide(at)
            return 2
        if insn.kind in (i.ALU, i.ALU64):
            r[insn.dst] = self.arithmetic(insn)
        elif insn.kind in (i.JMP, i.JMP32):
            return self.jump(insn)
        elif insn.kind == i.LDX:
            size = _SIZES[insn.code & 0x18]
            value = self.load(r[insn.src] + insn.off & _WORD, size)
            is_signed = insn.code & 0xE0 == i.MEMSX
            r[insn.dst] = (_signed(value, 8 * size) if is_signed else value) & _WORD
        elif insn.code & 0xE0 == i.ATOMIC:
            place, size = r[insn.dst] + insn.off, _SIZES[insn.code & 0x18]
            assert insn.imm & ~i.FETCH == i.ADD, "the programs only add"
            old = self.load(place, size)
            self.store(place, old + r[insn.src], size)
            r[insn.src] = old if insn.imm & i.FETCH else r[insn.src]
        else:
            value = r[insn.src] if insn.kind == i.STX else insn.imm
            self.store(r[insn.dst] + insn.off, value, _SIZES[insn.code & 0x18])
        return 1

    def wide(self, at: int) -> int:
        symbol = self.symbols.get(at)
        if symbol is None:
            return self.code[at].imm & 0xFFFFFFFF | (self.code[at + 1].imm & 0xFFFFFFFF) << 32
        if symbol.use is SymbolUse.MAP_VALUE:
            return self.entry(symbol.symbol, b"") + symbol.addend
        handle = _BEGIN + len(self.handles)
        self.handles[handle] = symbol.symbol
        return handle

    def arithmetic(self, insn: i.Insn) -> int:
        bits = 64 if insn.kind == i.ALU64 else 32
        mask, what = (1 << bits) - 1, insn.code & 0xF0
        left = self.registers[insn.dst] & mask
        right = (self.registers[insn.src] if insn.code & i.X else insn.imm) & mask
        if what == i.NEG:
            return -left & mask
        if what == i.LSH:
            return left << right % bits & mask
        if what in (i.RSH, i.ARSH):
            return (_signed(left, bits) if what == i.ARSH else left) >> right % bits & mask
        if what == i.MOV and insn.code & i.X and insn.off:
            right = _signed(right, insn.off)
        return _ARITHMETIC[what](left, right) & mask

    def jump(self, insn: i.Insn) -> int:
        what, bits = insn.code & 0xF0, 64 if insn.kind == i.JMP else 32
        if what == i.CALL:
            self.registers[0] = self.call(insn.imm)
            return 1
        if what == i.JA:
            return 1 + insn.off
        left = self.registers[insn.dst] & (1 << bits) - 1
        right = (self.registers[insn.src] if insn.code & i.X else insn.imm) & (1 << bits) - 1
        if what in _SIGNED:
            taken = _SIGNED[what](_signed(left, bits), _signed(right, bits))
        else:
            taken = _UNSIGNED[what](left, right)
        return 1 + insn.off if taken else 1

    def call(self, helper: int) -> int:
        first, second, third = self.registers[1:4]
        if helper in _NUMBERS:
            return _NUMBERS[helper]
        if helper == _COMM:
            self.store(first, int.from_bytes(b"no such", "little"), second)
            return 0
        if helper in (_RESERVE, _TASK):
            return self.room(second if helper == _RESERVE else _STACK)
        name = self.handles[first]
        key = bytes(self.memory[second : second + self.maps[name].key_size])
        if helper == _DELETE:
            return 0 if self.entries.pop((name, key), 0) else -2 & _WORD
        if helper == _LOOKUP:
            is_array = self.maps[name].kind == "array"
            return self.entry(name, key) if is_array else self.entries.get((name, key), 0)
        assert helper == _UPDATE, helper
        size = self.maps[name].value_size
        self.store(self.entry(name, key), self.load(third, size), size)
        return 0

    def entry(self, name: str, key: bytes) -> int:
        if (name, key) not in self.entries:
            self.entries[name, key] = self.room(self.maps[name].value_size)
        return self.entries[name, key]
