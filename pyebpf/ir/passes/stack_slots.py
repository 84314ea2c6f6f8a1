"""Check that the variables of a function fit the stack of a BPF program.

Only a slot whose address is taken, or that no register can hold, needs memory here; LLVM keeps the
others in registers. What LLVM itself needs on top is checked in the finished object.

Takes:  any function.
Gives:  the function, unchanged.
Reports: ``E0410``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pyebpf.diag import Diagnostic
from pyebpf.ir.context import STACK_BYTES
from pyebpf.ir.nodes import Frame, SlotAddr
from pyebpf.ir.types import Pointer
from pyebpf.spec.types import Address, Bool, Int

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function, Slot


class StackTooLarge(Diagnostic):
    """A BPF program has 512 bytes of stack, for all of its variables together.

    Records, arrays and texts that are too large for that are kept in memory of the CPU, 32 KiB for
    each program; not those of a ``@noinline`` function that several programs call.

    Wrong:
        @record
        class Wide:
            size: u64
            text: Char = chars(40_000)


        rows = Hash[u32, Wide](max_entries=4)


        @tp_btf("block_rq_issue")
        def issue() -> None:
            rows[1] = Wide(size=1)

    Right:
        @record
        class Wide:
            size: u64
            text: Char = chars(40_000)


        events = Events[Wide]()


        @tp_btf("block_rq_issue")
        def issue() -> None:
            with events.reserve() as event:
                event.size = 1
    """

    code: ClassVar[str] = "E0410"
    title: ClassVar[str] = "`{function}` needs {total} bytes of stack; 512 are there"
    label: ClassVar[str] = "{what} takes {size} bytes"
    help: ClassVar[str] = (
        "a program has room for 32 KiB more of records, arrays and texts, but not for those of a "
        "@noinline function that several programs call: make {what} smaller, or fill records in "
        "place with `with events.reserve() as e:`"
    )
    function: str
    total: int
    what: str
    size: int


def check_stack_slots(fn: Function, context: Context) -> bool:
    """Report a function whose variables do not fit, at its largest one."""
    slots = memory_slots(fn)
    total = sum(map(stack_size, slots))
    if total > STACK_BYTES:
        largest = max(slots, key=stack_size)
        where, size = largest.span or fn.span, largest.type.size
        context.report(StackTooLarge(where, fn.name, total, name_of(largest), size))
    return False


def name_of(slot: Slot) -> str:
    """Return what a slot is to the user, who has not written a frame."""
    return "what a loop shares with the rest" if isinstance(slot, Frame) else f"`{slot.name}`"


def memory_slots(fn: Function) -> list[Slot]:
    """Return the slots that live in memory, not in registers."""
    addressed = {i.slot for block in fn.blocks for i in block.instrs if isinstance(i, SlotAddr)}
    in_registers = (Int, Bool, Address, Pointer)
    return [s for s in fn.slots if s in addressed or not isinstance(s.type, in_registers)]


def stack_size(slot: Slot) -> int:
    """Return how many bytes a slot takes: whole words."""
    return -(-slot.type.size // 8) * 8
