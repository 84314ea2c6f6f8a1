"""Check that the variables of a function fit the stack of a BPF program.

Only a slot whose address is taken, or that no register can hold, needs memory here; LLVM keeps the
others in registers. What LLVM itself needs on top is checked in the finished object.

Takes:  any function.
Gives:  the same function, unchanged.
Reports: ``E0410``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pyebpf.diag import Diagnostic
from pyebpf.ir.nodes import SlotAddr
from pyebpf.ir.types import Pointer
from pyebpf.spec.types import Address, Bool, Int

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function, Slot

#: ``MAX_BPF_STACK`` of ``include/linux/filter.h``, in bytes.
STACK_BYTES = 512


class StackTooLarge(Diagnostic):
    """A BPF program has 512 bytes of stack, for all of its variables together.

    Wrong: ``name = chars(600)`` as a local buffer.
    Right: build the record in the ring buffer, ``with events.reserve() as e:``, or shorten it.
    """

    code: ClassVar[str] = "E0410"
    title: ClassVar[str] = "`{function}` needs {total} bytes of stack; 512 are there"
    label: ClassVar[str] = "`{name}` takes {size} bytes"
    help: ClassVar[str] = (
        "fill the record in place with `with events.reserve() as e:`, keep large data in a map, "
        "or make `{name}` smaller"
    )
    function: str
    total: int
    name: str
    size: int


def check_stack_slots(fn: Function, context: Context) -> Function:
    """Report a function whose variables do not fit, at its largest one."""
    slots = memory_slots(fn)
    total = sum(-(-_size(slot) // 8) * 8 for slot in slots)
    if total > STACK_BYTES:
        largest = max(slots, key=_size)
        context.report(
            StackTooLarge(largest.span or fn.span, fn.name, total, largest.name, _size(largest))
        )
    return fn


def memory_slots(fn: Function) -> list[Slot]:
    """Return the slots that live in memory, not in registers."""
    addressed = {i.slot for block in fn.blocks for i in block.instrs if isinstance(i, SlotAddr)}
    in_registers = (Int, Bool, Address, Pointer)
    return [s for s in fn.slots if s in addressed or not isinstance(s.type, in_registers)]


def _size(slot: Slot) -> int:
    return slot.type.size
