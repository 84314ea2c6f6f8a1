"""One function as LLVM text: blocks, variables, and the barriers after null tests.

What each instruction becomes is in ``arithmetic``, ``memory`` and ``calls``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.errors import InternalError
from pyebpf.ir.align import slot_align
from pyebpf.ir.flow import Flow
from pyebpf.ir.llvm.arithmetic import ARITHMETIC
from pyebpf.ir.llvm.body import Body, llvm_type, memory_type
from pyebpf.ir.llvm.calls import CALLS
from pyebpf.ir.llvm.debuginfo import quote
from pyebpf.ir.llvm.memory import MEMORY
from pyebpf.ir.nodes import Branch, Jump, Return, Slot, Value
from pyebpf.ir.nullness import is_nullable, matters, proven_on_entry, step, tested
from pyebpf.ir.passes.stack_slots import memory_slots
from pyebpf.ir.types import VOID

if TYPE_CHECKING:
    from pyebpf.ir.llvm.body import Module
    from pyebpf.ir.nodes import Block, Function
    from pyebpf.ir.nullness import Facts

HANDLERS = {**ARITHMETIC, **MEMORY, **CALLS}
#: The backend has no library to call, so LLVM must not see a memset in a loop of stores. Jumps
#: through tables, which LLVM 22 makes for v4, need a kind of map that most kernels with v4 lack.
ATTRIBUTES = 'nounwind "no-builtins" "no-jump-tables"="true" "frame-pointer"="all"'
#: Linux 5.10 refuses a loop that falls back to its start ("back-edge from insn"). LLVM makes such
#: loops to save a jump, but not where size is what counts: so it does for kernels before 6.6.
_LOOPS_JUMP_BACK = "optsize "
#: What may be known of a function whose body is replaced: calls of it may be left out or moved.
_STAND_IN = "noinline willreturn memory(read) "


def function_text(fn: Function, module: Module) -> str:
    """Return the definition of a function."""
    subprogram = module.debug.function(fn)
    body = Body(module, fn, subprogram)
    for param in fn.params:
        body.names[param] = f"%{quote(f'p.{param.name}')}"
    params = ", ".join(f"{llvm_type(p.type)} {body.names[p]}" for p in fn.params)
    _Writer(fn, body).run()
    linkage = "" if fn.section else "internal "
    section = f" section {quote(fn.section)}" if fn.section else ""
    # What the compiler has not expanded is to stay a call: its stack is its own.
    kept = "" if fn.section else "noinline "
    loops = "" if module.cpu == "v4" else _LOOPS_JUMP_BACK
    known = _STAND_IN if fn.stand_in else kept
    head = (
        f"define {linkage}{llvm_type(fn.result)} @{fn.name}({params}) "
        f'{known}{loops}{ATTRIBUTES} "target-cpu"={quote(module.cpu)}{section} '
        f"!dbg !{subprogram} {{"
    )
    return "\n".join([head, *body.lines, "}"])


class _Writer:
    def __init__(self, fn: Function, body: Body) -> None:
        self.fn = fn
        self.body = body
        self.flow = Flow(fn)
        self.labels = {block: f"b{i}" for i, block in enumerate(self.flow.order)}
        self.renamed: dict[Block, dict[Value, str]] = {}

    def run(self) -> None:
        self.body.lines.append("entry:")
        self.body.span = self.fn.span
        if self.fn.stand_in:
            # Opaque: LLVM would pass what the body reads through a pointer instead of the pointer.
            for param in self.fn.params:
                self.body.names[param] = self.body.opaque("ptr", self.body.names[param])
        in_memory = set(memory_slots(self.fn))
        for number, slot in enumerate(self.fn.slots):
            self.slot(number, slot, in_memory)
        self.body.do(f"br label %{self.labels[self.fn.entry]}")
        proven = self.proven_at_start()
        # A block comes after those that dominate it, so whatever it uses already has a name.
        for block in self.flow.order:
            self.body.lines.append(f"{self.labels[block]}:")
            self.body.renamed = self.names_in(block)
            self.guards(block, proven.get(block, ()))
            for instr in block.instrs:
                self.body.span = instr.span or self.fn.span
                self.instruction(instr)

    def slot(self, number: int, slot: Slot, in_memory: set[Slot]) -> None:
        kind, align = memory_type(slot.type), slot_align(slot)
        name = f"%s{number}"
        self.body.slots[slot] = name
        self.body.do(f"{name} = alloca {kind}, align {align}")
        if slot not in in_memory:
            # A path may read before it writes; LLVM drops this wherever no path does.
            zero = "null" if kind == "ptr" else "0"
            self.body.do(f"store {kind} {zero}, ptr {name}, align {align}")

    def instruction(self, instr: Value) -> None:
        body = self.body
        if (handler := HANDLERS.get(type(instr))) is not None:
            result = handler(body, instr)
            if instr.type != VOID:
                body.names[instr] = result
        elif isinstance(instr, Jump):
            body.do(f"br label %{self.labels[instr.target]}")
        elif isinstance(instr, Branch):
            then, other = self.labels[instr.then], self.labels[instr.other]
            body.do(f"br i1 {body.value(instr.condition)}, label %{then}, label %{other}")
        elif isinstance(instr, Return):
            body.do("ret void" if instr.value is None else f"ret {body.typed(instr.value)}")
        else:
            raise InternalError(f"{self.fn.name}: {type(instr).__name__} reached the emitter")

    def proven_at_start(self) -> dict[Block, tuple[Value | Slot, ...]]:
        """Return what the test before each block proves, where only that test leads there."""
        if not any(is_nullable(i.type) for b in self.flow.order for i in b.instrs):
            return {}
        found: dict[Block, tuple[Value | Slot, ...]] = {}
        for block, before in proven_on_entry(self.flow).items():
            facts = before
            for instr in filter(matters, block.instrs):
                facts = step(facts, instr)
            for successor in block.successors():
                new = tested(block, successor, facts)
                if new and len(self.flow.before[successor]) == 1:
                    found[successor] = self.in_order(new)
        return found

    def in_order(self, facts: Facts) -> tuple[Value | Slot, ...]:
        values = [i for b in self.flow.order for i in b.instrs if i in facts]
        params = [p for p in self.fn.params if p in facts]
        return (*params, *values, *(s for s in self.fn.slots if s in facts))

    def guards(self, block: Block, proven: tuple[Value | Slot, ...]) -> None:
        """Start a block with new names for the pointers that the test before it proved.

        LLVM knows nothing of the connection, so it cannot compute an address, let alone load,
        from such a pointer before the test; old verifiers refuse that arithmetic. That there is
        something it does know, and leaves out later tests.
        """
        self.body.span = block.instrs[0].span or self.fn.span
        pointer = next((item for item in proven if isinstance(item, Value)), None)
        if pointer is None:
            return
        known = self.body.value(pointer)
        fresh = self.body.op(f'call nonnull ptr asm "", "=r,0"(ptr {known})')
        for item in proven:
            if isinstance(item, Slot):
                self.body.do(f"store ptr {fresh}, ptr {self.body.slots[item]}, align 8")
            else:
                self.renamed.setdefault(block, {})[item] = fresh
        self.body.renamed = self.names_in(block)

    def names_in(self, block: Block) -> dict[Value, str]:
        if not self.renamed:
            return {}
        names: dict[Value, str] = {}
        for above in self.flow.dominators(block):
            names |= self.renamed.get(above, {})
        return names
