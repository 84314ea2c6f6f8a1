"""Loops: blocks that go back to a head, with what the pass ``loops`` must know of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.lower import maps as lower_map
from pyebpf.dsl.unit_names import LOOPS_SLOT
from pyebpf.ir.nodes import (
    MAX_TURNS,
    USER_RING,
    Block,
    Compare,
    CompareOp,
    EntryPart,
    Loop,
    NextEntry,
)
from pyebpf.ir.types import BOOL, U64, Pointer, Space

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.lower.statements import Lowering
    from pyebpf.ir.nodes import Slot, Value


@dataclass
class Around:
    """A loop around the statement being lowered: where ``break`` and ``continue`` go."""

    after: Block
    next: Block
    held: int


def _around(low: Lowering) -> Around:
    build = low.build
    return Around(build.new_block("after"), build.new_block("next"), len(low.held))


def _for(low: Lowering, statement: typed.For) -> None:
    # The counter is ours alone: assigning to the loop variable does not change the number of turns.
    build, around = low.build, _around(low)
    count = None if statement.trips is not None else build.convert(low.number(statement.count), U64)
    otherwise, body = build.new_block("else"), build.new_block("body")
    counter = low.cell(statement.turn).value
    if count is None:
        _head(low, counter, statement.trips, body, otherwise)
    else:
        test = build.new_block("test")
        _head(low, counter, None, test, _cut(low))
        build.start(test)
        more = build.compare(CompareOp.LT, build.read(counter), count)
        build.branch(more, body, otherwise)
    head = build.function.loops[-1].head
    build.start(body)
    _turn(low, around, [*statement.begin, *statement.body])
    _again(low, around, head, counter)
    _else(low, around, otherwise, statement.other)


def _while(low: Lowering, statement: typed.While) -> None:
    build, around = low.build, _around(low)
    otherwise, body = build.new_block("else"), build.new_block("body")
    counter, test = build.slot("turn", U64), build.new_block("test")
    _head(low, counter, None, test, _cut(low))
    head = build.function.loops[-1].head
    build.start(test)
    low.condition(statement.condition, body, otherwise)
    build.start(body)
    _turn(low, around, statement.body)
    _again(low, around, head, counter)
    _else(low, around, otherwise, statement.other)


def _head(low: Lowering, counter: Slot, trips: int | None, then: Block, done: Block) -> None:
    """Start a loop: a head that lets ``trips`` turns through, or as many as the kernel makes."""
    build = low.build
    build.write(counter, build.const(0, U64))
    head = build.new_block("loop")
    build.jump(head)
    build.start(head)
    most = build.const(MAX_TURNS if trips is None else trips, U64)
    guard = Compare(BOOL, build.span, CompareOp.LT, build.read(counter), most)
    build.add(guard)
    build.branch(guard, then, done)
    build.function.loops = (*build.function.loops, Loop(head, guard, counter, trips))


def _cut(low: Lowering) -> Block:
    """Return a block that ends the program, and counts that a loop was cut short."""
    build, here = low.build, low.build.block
    low.unit.cuts_loops = True
    cut = build.new_block("cut")
    build.start(cut)
    lower_map.count_lost(low, LOOPS_SLOT)
    low.abort()
    build.block = here
    return cut


def _turn(low: Lowering, around: Around, statements: list[typed.Stmt]) -> None:
    low.loops.append(around)
    low.block(statements)
    low.loops.pop()
    low.build.jump(around.next)


def _again(low: Lowering, around: Around, head: Block, counter: Slot | None) -> None:
    low.build.start(around.next)
    if counter is not None:
        low.advance(counter)
    low.build.jump(head)


def _else(low: Lowering, around: Around, otherwise: Block, other: list[typed.Stmt]) -> None:
    low.build.start(otherwise)
    low.block(other)
    low.build.jump(around.after)
    low.build.start(around.after)


def _written_out(low: Lowering, statement: typed.WrittenOut) -> None:
    build = low.build
    after = build.new_block("after")
    for turn in statement.turns:
        around = Around(after, build.new_block("next"), len(low.held))
        _turn(low, around, turn)
        build.start(around.next)
    low.block(statement.other)
    build.jump(after)
    build.start(after)


def _entries(low: Lowering, statement: typed.ForEntries) -> None:
    build, around = low.build, _around(low)
    spec = statement.map.spec
    head, body = build.new_block("loop"), build.new_block("body")
    otherwise = build.new_block("else")
    build.jump(head)
    build.start(head)
    guard = NextEntry(BOOL, build.span, spec)
    build.add(guard)
    build.branch(guard, body, otherwise)
    build.function.loops = (*build.function.loops, Loop(head, guard))
    build.start(body)
    key = None if spec.kind == USER_RING else _part(low, guard, is_key=True)
    low.entries[statement.turn] = (key, _part(low, guard, is_key=False))  # type: ignore[assignment]
    _turn(low, around, [*statement.begin, *statement.body])
    _again(low, around, head, None)
    _else(low, around, otherwise, statement.other)


def _part(low: Lowering, turn: NextEntry, *, is_key: bool) -> Value:
    kind = turn.map.key if is_key else turn.map.value
    space = Space.STACK if turn.map.kind == USER_RING else Space.MAP
    part = EntryPart(Pointer(space, kind), low.build.span, turn, is_key)
    return low.build.add(part)


LOOPS: dict[type[typed.Stmt], Callable[[Lowering, Any], None]] = {
    typed.For: _for,
    typed.While: _while,
    typed.WrittenOut: _written_out,
    typed.ForEntries: _entries,
}
