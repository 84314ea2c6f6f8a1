"""Ask for the time, and for who runs, when there is room for the record that they are stored in.

Python computes arguments before a call: ``events.emit(Event(time=ktime_get_ns()))`` has the time
before the buffer is asked for room. It would wait for that in a register, and for nothing where
there is none.

Takes:  any function, when its fills have been trimmed.
Gives:  the function; what is only stored in a record is asked for right before, in the same order.
Reports: nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir import nodes
from pyebpf.ir.flow import Flow
from pyebpf.ir.nodes import Branch, CallHelper, Compare, CompareOp, Const, Value, operands

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Block, Function

#: They read neither memory nor arguments, and change nothing.
_ASKING = frozenset(
    {
        "ktime_get_ns", "ktime_get_boot_ns", "ktime_get_coarse_ns", "ktime_get_tai_ns", "jiffies64",
        "get_current_pid_tgid", "get_current_uid_gid", "get_current_task", "get_current_cgroup_id",
        "get_smp_processor_id", "get_numa_node_id",
    }
)  # fmt: skip
_PLAIN = (nodes.Binary, nodes.Compare, nodes.Not, nodes.Swap, nodes.Select, nodes.Convert)
_CALLS = (CallHelper, nodes.CallKfunc, nodes.CallFunction)


def ask_late(fn: Function, _: Context) -> bool:
    """Move what records are made of behind the test that there is room for them."""
    reserving = [block for block in fn.blocks if _reserved(block) is not None]
    if not reserving:
        return False
    flow, changed = Flow(fn), False
    for block in reserving:
        room = _room(block)
        if room is not None and flow.before.get(room) == [block]:
            changed |= _move(fn, block, room)
    return changed


def _reserved(block: Block) -> CallHelper | None:
    """Return the call that the branch at the end of a block asks about, if it is for a record."""
    last = block.instrs[-1]
    test = last.condition if isinstance(last, Branch) else None
    found = test.left if isinstance(test, Compare) else None
    is_record = isinstance(found, CallHelper) and found.helper == "ringbuf_reserve"
    return found if is_record and found in block.instrs else None  # type: ignore[return-value]


def _room(block: Block) -> Block | None:
    """Return where a block leads if there is room."""
    last = block.instrs[-1]
    assert isinstance(last, Branch)
    test = last.condition
    assert isinstance(test, Compare)
    if not isinstance(test.right, Const) or test.right.value:
        return None
    return {CompareOp.NE: last.then, CompareOp.EQ: last.other}.get(test.op)


def _move(fn: Function, block: Block, room: Block) -> bool:
    reserved = _reserved(block)
    assert reserved is not None
    before = block.instrs[: block.instrs.index(reserved)]
    users, late = _users(fn), _depending(before)
    limit, changed = len(room.instrs), False
    for instr in reversed(before):
        used = users.get(instr, [])
        if instr not in late or not used or any(user not in room.instrs for user in used):
            if isinstance(instr, _CALLS):
                break  # nothing is asked for after it that was before
            continue
        place = min(map(room.instrs.index, used))
        if isinstance(instr, CallHelper):
            place = limit = min(place, limit)
        block.instrs.remove(instr)
        room.instrs.insert(place, instr)
        changed = True
    return changed


def _depending(instrs: list[Value]) -> set[Value]:
    """Return what is asked for, and what is computed from that."""
    found = set[Value]()
    for instr in instrs:
        asks = isinstance(instr, CallHelper) and instr.helper in _ASKING
        if asks or (isinstance(instr, _PLAIN) and not found.isdisjoint(operands(instr))):
            found.add(instr)
    return found


def _users(fn: Function) -> dict[Value, list[Value]]:
    users: dict[Value, list[Value]] = {}
    for block in fn.blocks:
        for instr in block.instrs:
            for used in operands(instr):
                users.setdefault(used, []).append(instr)
    return users
