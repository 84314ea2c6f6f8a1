"""Move a loop into a function of its own, which the kernel calls for each turn.

The frame is an array of words on the caller's stack. It holds where the loop was left, the values
that the loop uses, and the variables that it shares; memory that the loop shares stays where it is,
and the frame has its address. In the function, ``return 0`` is the next turn and ``return 1`` ends
the loop; the caller then goes where the frame says.

Source:  ``bpf_loop`` and ``bpf_for_each_map_elem`` in ``kernel/bpf/{bpf_iter,arraymap}.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.build import Builder
from pyebpf.ir.nodes import (
    MAX_TURNS,
    USER_RING,
    Block,
    Branch,
    CompareOp,
    Const,
    EntryPart,
    Forget,
    Frame,
    FuncAddr,
    Function,
    Jump,
    Loop,
    MapHandle,
    Member,
    NextEntry,
    Param,
    ReadSlot,
    Slot,
    SlotAddr,
    StoreUnknown,
    Value,
    WriteSlot,
)
from pyebpf.ir.region import Region, addressed, mentioned, written
from pyebpf.ir.rewrite import replace_operands
from pyebpf.ir.types import I64, U32, U64, VOID, Pointer, Space
from pyebpf.spec.types import Address, Array, Bool, DataType, Int

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.types import Type

_WORD = 8
#: Where in the frame the function says how the loop was left: 0 for not at all.
_EXIT = 0


def outline(fn: Function, loop: Loop, region: Region, context: Context) -> Block:
    """Make a function of a loop, and call it where the loop was; return the block that calls."""
    work = _Outline(fn, loop, region, f"{fn.name}_loop{len(context.made) + 1}")
    context.made.append(work.run())
    return work.call_block


class _Outline:
    def __init__(self, fn: Function, loop: Loop, region: Region, name: str) -> None:
        self.fn, self.loop, self.region = fn, loop, region
        self.span = loop.guard.span or fn.span
        self.frame = Frame("frame", Array(U64, 1), self.span)
        self.words = 1
        #: Slots that hold nothing from outside of a turn, and nothing that is used there.
        self.private = region.private(fn)
        self.shared = Param(Pointer(Space.STACK), self.span, "frame")
        self.turn = Param(U32, self.span, "turn")
        self.parameters: dict[bool, Value] = {}
        self.callee = Function(
            name, "", self._params(), I64, [], [], fn.span, fn.section or fn.program
        )
        self.enter = Builder(self.callee)
        self.enter.span = self.span
        self.call_block = Block(f"call_{name}")
        fn.blocks.insert(fn.blocks.index(region.head), self.call_block)
        self.caller = Builder(fn)
        self.caller.block, self.caller.span = self.call_block, self.span
        #: Memory of the caller that the loop may change: its address there, and in the function.
        self.reached: list[tuple[Value, Value]] = []
        #: Variables that the loop changes: the caller's slot, the function's, and the frame's word.
        self.changed: list[tuple[Slot, Slot, int]] = []

    def _params(self) -> tuple[Param, ...]:
        guard = self.loop.guard
        if not isinstance(guard, NextEntry):
            return (self.turn, self.shared)
        if guard.map.kind == USER_RING:
            self.dynptr = Param(Pointer(Space.HANDLE), self.span, "record")
            return (self.dynptr, self.shared)
        parts: dict[bool, Param] = {}
        for is_key, kind in ((True, guard.map.key), (False, guard.map.value)):
            word = "key" if is_key else "value"
            parts[is_key] = Param(Pointer(Space.MAP, kind), self.span, word)
        self.parameters.update(parts)
        handle = Param(Pointer(Space.HANDLE), self.span, "map")
        return (handle, parts[True], parts[False], self.shared)

    def run(self) -> Function:
        self.last = self._end_of_turns()
        self._guard_holds()
        self._take_record()
        self.caller.store(self._caller_word(_EXIT, U64), self.caller.const(0))
        leaving = self.region.values_out()
        known = self._values()
        self._slots(known)
        outside = {value: self._keep(known.get(value, value)) for value in leaving}
        self._leave()
        self.enter.jump(self.region.head)
        self.callee.blocks += [b for b in self.region.blocks if b not in self.callee.blocks]
        self.fn.blocks = [b for b in self.fn.blocks if b not in self.region.blocks]
        for block in self.region.blocks:
            for instr in block.instrs:
                replace_operands(instr, known)
        self.frame.type = Array(U64, self.words)
        others = set(mentioned(self.fn.blocks))
        self.fn.slots = [s for s in self.fn.slots if s not in self.private or s in others]
        self.fn.slots.append(self.frame)
        self._call()
        self._go_on(outside)
        return self.callee

    # -- the guard: the kernel counts the turns

    def _end_of_turns(self) -> Block:
        branch = self.region.head.instrs[-1]
        assert isinstance(branch, Branch)
        assert branch.condition is self.loop.guard
        return branch.other

    def _guard_holds(self) -> None:
        head = self.region.head
        branch = head.instrs.pop()
        assert isinstance(branch, Branch)
        head.instrs.append(Jump(VOID, branch.span, branch.then))
        head.instrs.remove(self.loop.guard)

    def _take_record(self) -> None:
        """Copy what user space sent to the stack, at the start of each turn."""
        guard = self.loop.guard
        if not isinstance(guard, NextEntry) or guard.map.kind != USER_RING:
            return
        kind = guard.map.value
        assert kind is not None
        slot = Slot("entry", kind, self.span)
        self.callee.slots.append(slot)
        place, zero = self.enter.addr(slot), self.enter.const(0)
        size = self.enter.const(kind.size, U32)
        self.enter.call("dynptr_read", (place, size, self.dynptr, zero, zero), I64)
        self.parameters[False] = place

    # -- what crosses the border

    def _word(self) -> int:
        self.words += 1
        return _WORD * (self.words - 1)

    def _caller_word(self, offset: int, kind: Type) -> Value:
        return _place(self.caller, self.caller.addr(self.frame), offset, kind)

    def _callee_word(self, build: Builder, offset: int, kind: Type) -> Value:
        return _place(build, self.shared, offset, kind)

    def _values(self) -> dict[Value, Value]:
        """Hand over the values that the loop uses; return what stands for them in the function."""
        known: dict[Value, Value] = {}
        for value in self.region.values_in():
            if value is self.loop.guard:
                continue
            if isinstance(value, MapHandle):
                known[value] = self.enter.map(value.map)
            else:
                known[value] = self._captured(value)
        for block in self.region.blocks:
            kept = []
            for instr in block.instrs:
                if isinstance(instr, EntryPart) and instr.turn is self.loop.guard:
                    known[instr] = self.parameters[instr.is_key]
                else:
                    kept.append(instr)
            block.instrs = kept
        return known

    def _captured(self, value: Value) -> Value:
        offset = self._word()
        self.caller.store(self._caller_word(offset, value.type), value)
        there = self.enter.load(self._callee_word(self.enter, offset, value.type), value.type)
        if _data_of(value) is not None and self.region.changes(value):
            self.reached.append((value, there))
        return there

    def _slots(self, known: dict[Value, Value]) -> None:
        in_memory = addressed(self.fn.blocks)
        changed = written(self.region.blocks)
        for slot in self.region.slots():
            if slot is self.loop.counter:
                self._count(slot)
            elif slot in self.private:
                self._own(slot)
            elif slot in in_memory or not isinstance(slot.type, (Int, Bool, Address, Pointer)):
                self._borrow(slot, self._captured(self.caller.addr(slot)), known)
            else:
                self._shared(slot, changes=slot in changed)

    def _shared(self, slot: Slot, *, changes: bool) -> None:
        offset = self._word()
        place, value = self._caller_word(offset, slot.type), self.caller.read(slot)
        own = self._own(slot)
        self.enter.write(
            own, self.enter.load(self._callee_word(self.enter, offset, slot.type), slot.type)
        )
        if not changes:
            self.caller.store(place, value)
            return
        _hide(self.caller, place, value)
        self.changed.append((slot, own, offset))

    def _own(self, slot: Slot) -> Slot:
        """Give the function a slot of its own, and let the loop use that one."""
        own = type(slot)(slot.name, slot.type, slot.span)
        self.callee.slots.append(own)
        for block in self.region.blocks:
            for instr in block.instrs:
                if isinstance(instr, ReadSlot | WriteSlot | SlotAddr) and instr.slot is slot:
                    instr.slot = own
        return own

    def _write_back(self, build: Builder, *, hide: bool) -> None:
        for slot, own, offset in self.changed:
            place, value = self._callee_word(build, offset, slot.type), build.read(own)
            if hide:
                _hide(build, place, value)
            else:
                build.store(place, value)

    def _count(self, slot: Slot) -> None:
        # The kernel hands the number over; going back to the head no longer counts.
        for block in self.region.blocks:
            block.instrs = [
                i for i in block.instrs if not (isinstance(i, WriteSlot) and i.slot is slot)
            ]
        own = self._own(slot)
        self.enter.write(own, self.enter.convert(self.turn, slot.type))

    def _borrow(self, slot: Slot, address: Value, known: dict[Value, Value]) -> None:
        """Make the loop reach a slot through its address."""
        for block in self.region.blocks:
            before, block.instrs = block.instrs, []
            build = Builder(self.callee)
            build.block = block
            for instr in before:
                build.span = instr.span
                if getattr(instr, "slot", None) is not slot:
                    block.instrs.append(instr)
                elif isinstance(instr, ReadSlot):
                    known[instr] = build.load(address, slot.type)
                elif isinstance(instr, WriteSlot):
                    build.store(address, instr.value)
                else:
                    assert isinstance(instr, SlotAddr), instr
                    known[instr] = address

    def _keep(self, value: Value) -> int:
        """Keep a value that is used after the loop; return where."""
        offset = self._word()
        zero = Const(value.type, self.span, 0)
        self.caller.store(self._caller_word(offset, value.type), zero)
        block = next((b for b in self.region.blocks if value in b.instrs), self.enter.block)
        at = block.instrs.index(value) + 1 if value in block.instrs else len(block.instrs)
        tail, block.instrs = block.instrs[at:], block.instrs[:at]
        build = Builder(self.callee)
        build.block, build.span = block, value.span
        build.store(self._callee_word(build, offset, value.type), value)
        block.instrs += tail
        return offset

    # -- the two functions' ends

    def _leave(self) -> None:
        """Turn the ways back to the head and out of the loop into returns."""
        build = Builder(self.callee)
        build.span = self.span
        again = Block("again")
        doors = {self.region.head: again}
        self.callee.blocks.append(again)
        build.block = again
        self._write_back(build, hide=True)
        self._forget(build)
        # The verifier thinks that a turn may follow one that left: what that said is over then.
        build.store(self._callee_word(build, _EXIT, U64), build.const(0))
        build.ret(build.const(0, I64))
        for number, outside in enumerate(self.region.exits, 1):
            if outside is self.last and not _reached(self.region, outside):
                continue
            door = doors[outside] = Block(f"leave{number}")
            self.callee.blocks.append(door)
            build.block = door
            self._write_back(build, hide=False)
            build.store(self._callee_word(build, _EXIT, U64), build.const(number))
            build.ret(build.const(1, I64))
        for block in self.region.blocks:
            _retarget(block, doors)

    def _forget(self, build: Builder) -> None:
        """Hide what memory holds, as ``_hide`` hides variables."""
        for here, there in self.reached:
            data = _data_of(here)
            assert data is not None
            address = here if build is self.caller else there
            build.add(Forget(VOID, build.span, address, data.size))

    def _call(self) -> None:
        b = self.caller
        self._forget(b)
        code = b.add(FuncAddr(Pointer(Space.CODE), self.span, self.callee.name))
        frame, flags = b.addr(self.frame), b.const(0)
        guard = self.loop.guard
        if isinstance(guard, NextEntry):
            drained = guard.map.kind == USER_RING
            helper = "user_ringbuf_drain" if drained else "for_each_map_elem"
            b.call(helper, (b.map(guard.map), code, frame, flags), I64)
            self._forget(b)  # there may have been no turn, which not every verifier thinks of
        else:
            assert isinstance(guard.right, Const)
            turns = b.const(min(guard.right.value, MAX_TURNS), U32)
            b.call("loop", (turns, code, frame, flags), I64)
        for slot, _, offset in self.changed:
            b.write(slot, b.load(self._caller_word(offset, slot.type), slot.type))

    def _go_on(self, outside: dict[Value, int]) -> None:
        b = self.caller
        known = {v: b.load(self._caller_word(at, v.type), v.type) for v, at in outside.items()}
        for block in self.fn.blocks:
            for instr in block.instrs:
                replace_operands(instr, known)
        code = b.load(self._caller_word(_EXIT, U64), U64)
        for number, exit_block in enumerate(self.region.exits, 1):
            if exit_block is self.last and not _reached(self.region, exit_block):
                continue
            following = b.new_block("next_exit")
            left = b.compare(CompareOp.EQ, code, b.const(number))
            b.branch(left, exit_block, following)
            b.start(following)
        b.jump(self.last)
        for block in self.region.before:
            _retarget(block, {self.region.head: self.call_block})


def _place(build: Builder, base: Value, offset: int, kind: Type) -> Value:
    to = None if isinstance(kind, Pointer) else kind
    return build.add(Member(Pointer(Space.STACK, to), build.span, base, offset))  # type: ignore[arg-type]


def _data_of(value: Value) -> DataType | None:
    """Return what is at an address on the stack, None for another value and for pointers."""
    kind = value.type
    if not isinstance(kind, Pointer) or kind.space is not Space.STACK:
        return None
    return kind.to if isinstance(kind.to, DataType) else None


def _hide(build: Builder, place: Value, value: Value) -> None:
    # Else the verifier would follow turn by turn what starts as a constant, or becomes one.
    if isinstance(value.type, Pointer):
        build.store(place, value)
    else:
        build.add(StoreUnknown(VOID, build.span, place, value))


def _reached(region: Region, outside: Block) -> bool:
    # The head's own way there has become the end of the turns.
    return any(outside in block.successors() for block in region.blocks)


def _retarget(block: Block, doors: dict[Block, Block]) -> None:
    last = block.instrs[-1]
    if isinstance(last, Jump):
        last.target = doors.get(last.target, last.target)
    elif isinstance(last, Branch):
        last.then, last.other = doors.get(last.then, last.then), doors.get(last.other, last.other)
