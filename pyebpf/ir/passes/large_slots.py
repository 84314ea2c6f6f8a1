"""Keep variables that are too large for the stack in memory of the CPU.

The stack of a BPF program has 512 bytes. If the records, arrays and texts of a function need more,
the largest of them go to a per-CPU array with one entry, which is looked up once, before the first
of them is used. Each program has such a map of its own, for programs may interrupt each other on
one CPU; a function that several programs call has none. The same program may be started again on a
CPU before it has ended, where the kernel does not prevent it (``prog->active``): a word in the
memory says that it is in use, and a run that finds it so is counted and ends. Smaller ones go there
too if they may be changed atomically at a variable index, which the kernel refuses on the stack.

Takes:  any function, before its loops become functions.
Gives:  the function; variables that were moved are addresses in a map, and no slots.
Reports: nothing; what still does not fit is found by ``stack_slots``.
Source:  ``prog->active`` in ``kernel/trace/bpf_trace.c`` and ``kernel/bpf/trampoline.c``;
    ``PCPU_MIN_UNIT_SIZE`` of ``include/linux/percpu.h``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.build import Builder
from pyebpf.ir.context import STACK_BYTES
from pyebpf.ir.flow import Flow
from pyebpf.ir.losses import count_loss, look_up
from pyebpf.ir.nodes import (
    AtomicRmw,
    Block,
    CallHelper,
    CallKfunc,
    CompareExchange,
    CompareOp,
    Const,
    Convert,
    Element,
    Member,
    ReadSlot,
    Return,
    RmwOp,
    SlotAddr,
    Value,
    WriteSlot,
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
#: The memory starts with a word that says whether a run of the program uses it.
_FLAG = 8
#: Smaller variables stay where they are, but where that was not enough.
_LEAST, _LEAST_OF_ALL = 64, 16
#: What the names of such maps start with.
PREFIX = "pyebpf_large_"
#: What takes something that must be given back before the program may end.
_TAKERS = ("ringbuf_reserve", "spin_lock")


def move_large_slots(fn: Function, context: Context) -> bool:
    """Move the largest variables of a function until the others take half of the stack."""
    programs = context.programs.get(fn.name, (fn.name,))
    moved = _chosen(fn, context.stack)
    size = sum(map(stack_size, moved))
    if not moved or size + _FLAG > CPU_BYTES or len(programs) != 1:
        return False
    _Mover(fn, moved, context).run()
    names = ", ".join(f"`{slot.name}`" for slot in moved)
    context.note(programs[0], f"keeps {size} bytes in memory of the CPU: {names}")
    return True


def _chosen(fn: Function, limit: int) -> list[Slot]:
    slots, chosen = memory_slots(fn), _changed_at_an_index(fn)
    rest = sum(stack_size(slot) for slot in slots if slot not in chosen)
    if rest <= limit:
        return [slot for slot in fn.slots if slot in chosen]
    least = _LEAST if limit >= STACK_BYTES // 4 else _LEAST_OF_ALL
    for slot in sorted(slots, key=stack_size, reverse=True):
        large = isinstance(slot.type, (Array, Chars, Record)) and stack_size(slot) >= least
        if rest > limit // 2 and large and slot not in chosen:
            chosen.append(slot)
            rest -= stack_size(slot)
    return [slot for slot in fn.slots if slot in chosen]


def _changed_at_an_index(fn: Function) -> list[Slot]:
    """Return the variables that are changed in one step at an index which is not constant.

    That is what ``setdefault`` gives where a map has no room. The kernel has no such step on the
    stack, and refuses programs that might make it there.
    """
    instrs = [instr for block in fn.blocks for instr in block.instrs]
    atomic = [i.pointer for i in instrs if isinstance(i, (AtomicRmw, CompareExchange))]
    ends = [root for root, at_index in map(_root, atomic) if at_index]
    if not ends:
        return []
    # Which variables each pointer may lead to.
    leads: dict[Slot, set[Slot]] = {}
    roots = {i: _root(i.value)[0] for i in instrs if isinstance(i, WriteSlot)}
    for _ in range(len(roots)):
        before = sum(map(len, leads.values()))
        for write, root in roots.items():
            leads.setdefault(write.slot, set()).update(_slots_of(root, leads))
        if sum(map(len, leads.values())) == before:
            break
    found = {slot for root in ends for slot in _slots_of(root, leads)}
    return [slot for slot in fn.slots if slot in found]


def _root(pointer: Value) -> tuple[Value, bool]:
    """Return what a pointer was made of, and whether on the way was an index not constant."""
    at_index = False
    while isinstance(pointer, (Convert, Element, Member)):
        at_index |= isinstance(pointer, Element) and not isinstance(pointer.index, Const)
        pointer = pointer.value if isinstance(pointer, Convert) else pointer.base
    return pointer, at_index


def _slots_of(root: Value, leads: dict[Slot, set[Slot]]) -> set[Slot]:
    if isinstance(root, SlotAddr):
        return {root.slot}
    return leads.get(root.slot, set()) if isinstance(root, ReadSlot) else set()


class _Mover:
    def __init__(self, fn: Function, moved: list[Slot], context: Context) -> None:
        self.fn, self.context = fn, context
        #: What runs when the memory is taken.
        self.begin = Block("run")
        self.offsets: dict[Slot, int] = {}
        size = _FLAG
        for slot in moved:
            self.offsets[slot] = size
            size += stack_size(slot)
        value = Array(U64, size // _FLAG)
        self.map = MapSpec(f"{PREFIX}{fn.name}", "percpu_array", 4, size, 1, 0, U32, value)

    def run(self) -> None:
        block = self._first()
        flow = Flow(self.fn)
        later = [b for b in flow.order if b is not block and flow.dominates(block, b)]
        base = self._take(block)
        self._give_back(base, [self.begin, *later])
        known: dict[Value, Value] = {}
        for each in self.fn.blocks:
            for at, instr in enumerate(each.instrs):
                if isinstance(instr, SlotAddr) and instr.slot in self.offsets:
                    place = Member(instr.type, instr.span, base, self.offsets[instr.slot])
                    each.instrs[at] = known[instr] = place
        for each in self.fn.blocks:
            for instr in each.instrs:
                replace_operands(instr, known)
        self.fn.slots = [slot for slot in self.fn.slots if slot not in self.offsets]

    def _first(self) -> Block:
        """Return the last block before all uses where the memory can be taken.

        Nothing is held there, it runs once, and all ways out that come later come through it.
        """
        flow = Flow(self.fn)
        users = [block for block in flow.order if self._uses(block)]
        heads = {loop.head for loop in self.fn.loops}
        for block in reversed(flow.dominators(users[0]) if users else []):
            later = [*users, *(b for b in _reached(block) if any(map(_leaves, b.instrs)))]
            common = all(flow.dominates(block, other) for other in later)
            if common and block not in heads and _is_free(flow, block):
                return block
        return self.fn.entry

    def _uses(self, block: Block) -> bool:
        return any(isinstance(i, SlotAddr) and i.slot in self.offsets for i in block.instrs)

    def _take(self, block: Block) -> Value:
        """Look the entry up at the start of a block, and take it; return its address."""
        go, stop = Block(f"{block.name}_go"), Block(f"{block.name}_stop")
        self.begin.name = f"{block.name}_run"
        self.begin.instrs, block.instrs = block.instrs, []
        at = self.fn.blocks.index(block) + 1
        self.fn.blocks[at:at] = [go, self.begin, stop]
        build = Builder(self.fn)
        build.block = block
        entry = look_up(build, self.map)
        build.branch(build.compare(CompareOp.NE, entry, build.const(0, entry.type)), go, stop)
        build.block = go
        base = build.convert(entry, Pointer(Space.MAP, self.map.value))
        free = build.compare(CompareOp.EQ, self._mark(build, base), build.const(0))
        build.branch(free, self.begin, stop)
        # The verifier cannot know that number 0 is always there: one way out serves both.
        build.block = stop
        if self.context.lost is not None:
            count_loss(build, *self.context.lost)
        result = self.fn.result
        build.ret(None if result == VOID else build.const(0, result))
        return base

    def _mark(self, build: Builder, base: Value) -> Value:
        """Note that the memory is in use; return what was noted before."""
        place, one = _flag(build, base), build.const(1)
        if self.context.target.has("atomics"):
            return build.add(AtomicRmw(U64, build.span, RmwOp.EXCHANGE, place, one))
        old = build.load(place, U64)
        build.store(place, one)
        return old

    def _give_back(self, base: Value, blocks: list[Block]) -> None:
        """Note that the memory is free: before each return, and while a tail call is tried."""
        for block in blocks:
            before, block.instrs = block.instrs, []
            build = Builder(self.fn)
            build.block = block
            for instr in before:
                build.span = instr.span
                if _leaves(instr):
                    build.store(_flag(build, base), build.const(0))
                build.add(instr)
                if _leaves(instr) and not isinstance(instr, Return):
                    build.store(_flag(build, base), build.const(1))


def _flag(build: Builder, base: Value) -> Value:
    return build.add(Member(Pointer(Space.MAP, U64), build.span, base, 0))


def _leaves(instr: Value) -> bool:
    """Tell whether a program may end at an instruction."""
    is_helper = isinstance(instr, CallHelper) and instr.helper == "tail_call"
    return is_helper or isinstance(instr, Return)


def _reached(start: Block) -> list[Block]:
    """Return the blocks that can run after a block has started, itself among them."""
    seen, work = [start], [start]
    while work:
        for block in work.pop().successors():
            if block not in seen:
                seen.append(block)
                work.append(block)
    return seen


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
