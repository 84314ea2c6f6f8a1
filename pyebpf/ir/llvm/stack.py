"""How much stack the finished code of an object uses, register spills included."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.abi.programs import program_kind_of_section
from pyebpf.ir.context import STACK_BYTES
from pyebpf.ir.nodes import CallFunction, CallHelper, FuncAddr
from pyebpf.ir.passes.stack_slots import StackTooLarge, memory_slots, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function, Unit

_INSN = struct.Struct("<BBhi")
_SHDR = struct.Struct("<IIQQQQIIQQ")
_SYM = struct.Struct("<IBBHQQ")
_SHT_SYMTAB, _STT_FUNC = 2, 2
#: Classes of instruction: loads, stores, and 64-bit arithmetic.
_LDX, _ST, _STX, _ALU64 = 1, 2, 3, 7
_MOV_X, _ADD_K = 0xBF, 0x07
_FRAME = 10
#: Helpers that call a function when the program is over, on a stack of its own.
_LATER = ("timer_set_callback",)
#: The verifier counts the frame of each function in whole steps of so many bytes, at most
#: (``check_max_stack_depth`` in ``kernel/bpf/verifier.c``).
_STEP = 32
#: Programs whose functions have each a stack of its own, where the kernel has that
#: (``bpf_enable_priv_stack``), if they take as much as this and nothing makes a tail call.
_PRIVATE = (
    c.BPF_PROG_TYPE_KPROBE,
    c.BPF_PROG_TYPE_TRACEPOINT,
    c.BPF_PROG_TYPE_PERF_EVENT,
    c.BPF_PROG_TYPE_RAW_TRACEPOINT,
    c.BPF_PROG_TYPE_TRACING,
)
_PRIVATE_BYTES = 64


def check_stack(unit: Unit, data: bytes, context: Context) -> None:
    """Report functions whose code reaches deeper than the stack, alone or with those they call."""
    used = {name: stack_bytes(code) for name, code in functions(data)}
    chains = _Chains(unit, used)
    may_be_private = context.target.has("private_stack") and not _makes_tail_calls(unit)
    for fn in unit.functions:
        total, chain = used.get(fn.name, 0), chains.deepest(fn.name)
        if total > STACK_BYTES:
            what, size = _largest([fn])
            context.report(StackTooLarge(fn.span, fn.name, total, what, size))
        elif fn.section and chains.depth(chain, _shared(fn, may_be_private)) > STACK_BYTES:
            what, size = _largest([chains.functions[name] for name in chain])
            context.report(StackTooLarge(fn.span, fn.name, chains.depth(chain), what, size))


def _makes_tail_calls(unit: Unit) -> bool:
    instrs = (i for fn in unit.functions for block in fn.blocks for i in block.instrs)
    return any(isinstance(i, CallHelper) and i.helper == "tail_call" for i in instrs)


def _shared(fn: Function, may_be_private: bool) -> int:
    """Return how many bytes of a function, at most, are on the stack that a program's share."""
    kind, _ = program_kind_of_section(fn.section or "")
    private = kind.prog_type in _PRIVATE and kind.attach_type != c.BPF_TRACE_ITER
    return _PRIVATE_BYTES - 1 if may_be_private and private else STACK_BYTES


class _Chains:
    """Which functions may be on the stack at once: those called, and those that helpers call."""

    def __init__(self, unit: Unit, used: dict[str, int]) -> None:
        self.functions = {fn.name: fn for fn in unit.functions}
        self._used = used
        self._deepest: dict[str, tuple[str, ...]] = {}

    def depth(self, chain: tuple[str, ...], most: int = STACK_BYTES) -> int:
        """Return how many bytes functions take together, each in whole steps.

        Args:
            chain: the functions; those without code of their own are inlined.
            most: of a function that counts; one that takes more has a stack of its own.
        """
        frames = [self._used[name] for name in chain if self._used.get(name, most + 1) <= most]
        return sum(max(1, -(-frame // _STEP)) * _STEP for frame in frames)

    def deepest(self, name: str) -> tuple[str, ...]:
        """Return a function and those below it that take most together; there is no recursion."""
        if name not in self._deepest:
            chains = [self.deepest(each) for each in sorted(self._called(name))]
            self._deepest[name] = (name, *max(chains, key=self.depth, default=()))
        return self._deepest[name]

    def _called(self, name: str) -> set[str]:
        found = set()
        for instr in (i for block in self.functions[name].blocks for i in block.instrs):
            if isinstance(instr, CallFunction):
                found.add(instr.function)
            elif isinstance(instr, CallHelper) and instr.helper not in _LATER:
                found |= {arg.function for arg in instr.args if isinstance(arg, FuncAddr)}
        return found


def _largest(functions: list[Function]) -> tuple[str, int]:
    slots = [slot for fn in functions for slot in memory_slots(fn) or fn.slots]
    largest = max(slots, key=lambda slot: slot.type.size, default=None)
    if largest is None:
        return f"`{functions[0].name}`", 0
    return name_of(largest), largest.type.size


def stack_bytes(code: bytes) -> int:
    """Return how far below the frame pointer the instructions reach.

    A register that was copied from the frame pointer reaches as far as the constant added to it.
    """
    lowest, copies = 0, set[int]()
    for opcode, registers, offset, immediate in _INSN.iter_unpack(code):
        target, source, kind = registers & 15, registers >> 4, opcode & 7
        if (kind == _LDX and source == _FRAME) or (kind in (_ST, _STX) and target == _FRAME):
            lowest = min(lowest, offset)
        if opcode == _ADD_K and target in copies:
            lowest = min(lowest, immediate)
        if kind == _ALU64:
            copies.discard(target)
            if opcode == _MOV_X and source == _FRAME:
                copies.add(target)
    return -lowest


def functions(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and code of every function of an ELF object."""
    start, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    sections = [_SHDR.unpack_from(data, start + i * _SHDR.size) for i in range(count)]
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != _SHT_SYMTAB:
            continue
        for name, info, _, index, value, length in _SYM.iter_unpack(data[offset : offset + size]):
            if info & 15 == _STT_FUNC:
                first = sections[index][4] + value
                yield _string(data, sections[link][4] + name), data[first : first + length]


def _string(data: bytes, start: int) -> str:
    return data[start : data.index(0, start)].decode()
