"""Keep variables that are too large for the stack in memory of the CPU.

The stack of a BPF program has 512 bytes. If the records, arrays and texts of a function need more,
the largest of them go to a per-CPU array with one entry, which is looked up once, before the first
of them is used. Each program has such a map of its own: programs may interrupt each other on one
CPU, and the kernel runs no tracing program again while it runs on the same CPU. A function that
several programs call has no such map.

Takes:  any function, before its loops become functions.
Gives:  the function; variables that were moved are addresses in a map, and no slots.
Reports: nothing; what still does not fit is found by ``stack_slots``.
Source:  ``prog->active`` in ``kernel/trace/bpf_trace.c`` and ``kernel/bpf/trampoline.c``;
    ``PCPU_MIN_UNIT_SIZE`` of ``include/linux/percpu.h``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.build import Builder
from pyebpf.ir.flow import Flow
from pyebpf.ir.nodes import (
    Block,
    CallHelper,
    CallKfunc,
    CompareOp,
    Convert,
    Member,
    SlotAddr,
    Value,
)
from pyebpf.ir.passes.stack_slots import memory_slots, stack_size
from pyebpf.ir.rewrite import replace_operands
from pyebpf.ir.types import U32, U64, VOID, Pointer, Space
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import Array, Chars, Record

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function, Slot

#: The largest value of a per-CPU array, in bytes.
CPU_BYTES = 32 << 10
#: Smaller variables stay where they are.
_LEAST = 64
_NAME = "pyebpf_large_{}"
#: What takes something that must be given back before the program may end.
_TAKERS = ("ringbuf_reserve", "spin_lock")


def move_large_slots(fn: Function, context: Context) -> bool:
    """Move the largest variables of a function until the others take half of the stack."""
    programs = context.programs.get(fn.name, (fn.name,))
    moved = _chosen(fn, context.stack)
    size = sum(map(stack_size, moved))
    if not moved or size > CPU_BYTES or len(programs) > 1:
        return False
    _Mover(fn, moved, size).run()
    names = ", ".join(f"`{slot.name}`" for slot in moved)
    context.note(programs[0], f"keeps {size} bytes in memory of the CPU: {names}")
    return True


def _chosen(fn: Function, limit: int) -> list[Slot]:
    slots = memory_slots(fn)
    rest = sum(map(stack_size, slots))
    if rest <= limit:
        return []
    chosen = []
    for slot in sorted(slots, key=stack_size, reverse=True):
        large = isinstance(slot.type, (Array, Chars, Record)) and stack_size(slot) >= _LEAST
        if rest > limit // 2 and large:
            chosen.append(slot)
            rest -= stack_size(slot)
    return [slot for slot in fn.slots if slot in chosen]


class _Mover:
    def __init__(self, fn: Function, moved: list[Slot], size: int) -> None:
        self.fn = fn
        value = Array(U64, size // 8)
        self.map = MapSpec(_NAME.format(fn.name), "percpu_array", 4, size, 1, 0, U32, value)
        self.offsets: dict[Slot, int] = {}
        for slot in moved:
            self.offsets[slot] = sum(map(stack_size, self.offsets))

    def run(self) -> None:
        base = self._look_up(self._first())
        known: dict[Value, Value] = {}
        for block in self.fn.blocks:
            for at, instr in enumerate(block.instrs):
                if isinstance(instr, SlotAddr) and instr.slot in self.offsets:
                    place = Member(instr.type, instr.span, base, self.offsets[instr.slot])
                    block.instrs[at] = known[instr] = place
        for block in self.fn.blocks:
            for instr in block.instrs:
                replace_operands(instr, known)
        self.fn.slots = [slot for slot in self.fn.slots if slot not in self.offsets]

    def _first(self) -> Block:
        """Return the last block before all uses in which nothing is held and that runs once."""
        flow = Flow(self.fn)
        users = [block for block in flow.order if self._uses(block)]
        heads = {loop.head for loop in self.fn.loops}
        for block in reversed(flow.dominators(users[0]) if users else []):
            common = all(flow.dominates(block, user) for user in users)
            if common and block not in heads and _is_free(flow, block):
                return block
        return self.fn.entry

    def _uses(self, block: Block) -> bool:
        return any(isinstance(i, SlotAddr) and i.slot in self.offsets for i in block.instrs)

    def _look_up(self, block: Block) -> Value:
        """Look the entry up at the start of a block; return its address."""
        go, stop = Block(f"{block.name}_go"), Block(f"{block.name}_stop")
        go.instrs, block.instrs = block.instrs, []
        build = Builder(self.fn)
        build.block = block
        index = build.slot("index", U32)
        build.write(index, build.const(0, U32))
        found = Pointer(Space.MAP, self.map.value, nullable=True)
        entry = build.call("map_lookup_elem", (build.map(self.map), build.addr(index)), found)
        present = build.compare(CompareOp.NE, entry, build.const(0, found))
        build.branch(present, go, stop)
        # The verifier cannot know that number 0 is always there.
        build.block = stop
        result = self.fn.result
        build.ret(None if result == VOID else build.const(0, result))
        base = Convert(Pointer(Space.MAP, self.map.value), self.fn.span, entry)
        go.instrs.insert(0, base)
        at = self.fn.blocks.index(block) + 1
        self.fn.blocks[at:at] = [go, stop]
        return base


def _is_free(flow: Flow, block: Block) -> bool:
    """Tell whether no way to a block takes anything, or goes through the block itself."""
    seen: set[Block] = set()
    work = [block]
    while work:
        for before in flow.before[work.pop()]:
            if before is block or any(map(_takes, before.instrs)):
                return False
            if before not in seen:
                seen.add(before)
                work.append(before)
    return True


def _takes(instr: Value) -> bool:
    is_helper = isinstance(instr, CallHelper) and instr.helper in _TAKERS
    return is_helper or isinstance(instr, CallKfunc)
