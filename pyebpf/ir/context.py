"""What a pass may know besides its function."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyebpf.diag import Diagnostic, Diagnostics
from pyebpf.ir.nodes import CallFunction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyebpf.ir.losses import Counters
    from pyebpf.ir.nodes import Function
    from pyebpf.spec.target import Target

#: ``MAX_BPF_STACK`` of ``include/linux/filter.h``, in bytes.
STACK_BYTES = 512


@dataclass(frozen=True)
class Context:
    """The target, where to report, and where to put functions that a pass makes."""

    target: Target
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    #: Functions that the pass running now has made; the passes after it see them too.
    made: list[Function] = field(default_factory=list)
    #: Which programs a function belongs to, by name; one that is missing is a program.
    programs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: What was decided in each program, for ``explain``.
    notes: dict[str, list[str]] = field(default_factory=dict)
    #: Counters of what is lost, and which of them counts runs that found their memory in use.
    lost: tuple[Counters, int] | None = None
    #: So many bytes may the variables of a function take on the stack.
    stack: int = STACK_BYTES

    def report(self, item: Diagnostic) -> None:
        """Report a fault of the user's program."""
        self.diagnostics.report(item)

    def note(self, program: str, what: str) -> None:
        """Remember a decision about a program."""
        self.notes.setdefault(program, []).append(what)


def programs_of(functions: Iterable[Function]) -> dict[str, tuple[str, ...]]:
    """Return which programs each function belongs to: itself, or those that call it."""
    by_name = {fn.name: fn for fn in functions}
    found: dict[str, list[str]] = {name: [] for name in by_name}
    for program in (fn for fn in by_name.values() if fn.section):
        work = [program]
        while work:
            fn = work.pop()
            if program.name in found[fn.name]:
                continue
            found[fn.name].append(program.name)
            calls = (i for block in fn.blocks for i in block.instrs if isinstance(i, CallFunction))
            work += [by_name[call.function] for call in calls]
    return {name: tuple(programs) for name, programs in found.items()}
