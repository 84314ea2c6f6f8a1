"""What one compilation keeps: the target, options, maps in use, lines printed, faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from pyebpf.abi.constants import BPF_F_MMAPABLE, BPF_F_RDONLY_PROG
from pyebpf.diag import Diagnostics
from pyebpf.dsl.check.kernel_types import Kernel
from pyebpf.dsl.events import PERF
from pyebpf.dsl.typed import MapUse, Range, Subprogram, Variable
from pyebpf.dsl.unit_names import (
    LOST_MAP,
    LOST_SECTION,
    LOST_SLOTS,
    PRINT_MAP,
    PRINT_PAGES,
    ZERO_MAP,
)
from pyebpf.ir.nodes import GlobalVariable
from pyebpf.spec.events import PAGE
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import U32, U64, Array, Int, Record

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.collect import Collected
    from pyebpf.dsl.constants import ConstDecl
    from pyebpf.dsl.maps import MapDecl
    from pyebpf.dsl.probes import Hook, Probe
    from pyebpf.dsl.types import ValueType
    from pyebpf.ir.losses import Counters
    from pyebpf.spec.target import Target
    from pyebpf.spec.types import DataType
    from pyebpf.spec.views import PrintSpec


class Known(NamedTuple):
    """What earlier rounds of checking found out about a variable."""

    type: ValueType | None = None
    range: Range | None = None
    fixed: Int | None = None


@dataclass
class UnitState:
    """The state of one compilation, shared by all its functions."""

    target: Target
    options: Mapping[ConstDecl, Any]
    collected: Collected
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    #: What each program reads, by its name, for ``explain``.
    reads: dict[str, list[str]] = field(default_factory=dict)
    #: What was decided for this target in each program, for ``explain``.
    choices: dict[str, list[str]] = field(default_factory=dict)
    #: The type of the records that an iterator writes, by its program's name.
    written: dict[str, Record] = field(default_factory=dict)
    #: The arguments that each USDT program declares, by its name: what attaching checks.
    arguments: dict[str, tuple[tuple[str, DataType], ...]] = field(default_factory=dict)
    #: The program that is being checked, and the kind of its hook.
    program: str = ""
    hook_kind: str = ""
    #: All programs of the unit: their names, probes and hooks.
    programs: list[tuple[str, Probe, Hook]] = field(default_factory=list)
    #: The kernel functions that each program calls, and where.
    calls: dict[str, list[tuple[str, Span]]] = field(default_factory=dict)
    maps: dict[MapDecl, MapUse] = field(default_factory=dict)
    #: What the maps in maps of maps are like, by the declarations of the outer ones.
    inner_maps: dict[MapDecl, MapDecl] = field(default_factory=dict)
    prints: list[PrintSpec] = field(default_factory=list)
    #: Types of local variables found in earlier rounds of checking, by place and name.
    known: dict[tuple[str, str], Known] = field(default_factory=dict)
    made: list[tuple[tuple[str, str], Variable]] = field(default_factory=list)
    #: Functions that stay functions, by what they are and the types that they are called with.
    subprograms: dict[Any, Subprogram] = field(default_factory=dict)
    #: The same in IR, with what the calls must know of them.
    lowered: dict[Subprogram, Any] = field(default_factory=dict)
    #: Those of them that the kernel calls, once their lowering has begun.
    callbacks: set[Subprogram] = field(default_factory=set)
    #: Whether a loop may be cut short, so that this is counted.
    cuts_loops: bool = False
    #: Whether messages offer names like one that the target lacks: up to 50 ms each time.
    offers_names: bool = True
    _kernel: Kernel | None = None

    @property
    def kernel(self) -> Kernel:
        """The target's types."""
        if self._kernel is None:
            self._kernel = Kernel(self.target)
        return self._kernel

    def use_map(self, decl: MapDecl, name: str) -> MapUse:
        """Return the map of a declaration, adding it to the unit on first use."""
        if decl not in self.maps:
            chosen = self.collected.name_map(decl, name)
            spec = decl.spec_for(chosen, self.target)
            self.maps[decl] = MapUse(decl, spec, len(self.maps) + 1)
        return self.maps[decl]

    def variable(self, path: str, name: str) -> Variable:
        """Make a local variable, with the type that an earlier round found for it."""
        place = (path, name)
        made = Variable(name, *self.known.get(place, Known()))
        self.made.append((place, made))
        return made

    def note_read(self, what: str) -> None:
        """Remember that the program being checked reads a field."""
        _note(self.reads.setdefault(self.program, []), what)

    def note_call(self, name: str, span: Span) -> None:
        """Remember a call of a kernel function by the program being checked."""
        self.calls.setdefault(self.program, []).append((name, span))

    def note_choice(self, what: str) -> None:
        """Remember a decision that depends on the target."""
        _note(self.choices.setdefault(self.program, []), what)

    def counters(self) -> Counters:
        """Return what counts refused updates, number 0 for printed lines.

        A variable where the target has variables, else an array.
        """
        if self.target.lacks("global_data"):
            return MapSpec(LOST_MAP, "array", 4, 8, LOST_SLOTS, BPF_F_MMAPABLE, U32, U64)
        numbers = Array(U64, LOST_SLOTS)
        return GlobalVariable(LOST_MAP, numbers, bytes(numbers.size), LOST_SECTION)

    def zero_map(self, size: int) -> MapSpec:
        """Return an array whose one value of ``size`` bytes is 0, to insert rows from."""
        value = Array(U64, size // 8)
        return MapSpec(f"{ZERO_MAP}_{size}", "array", 4, size, 1, BPF_F_RDONLY_PROG, U32, value)

    def print_map(self) -> MapSpec:
        """Return the buffer of printed lines: perf events where there are no ring buffers."""
        if self.target.lacks("ringbuf"):
            return MapSpec(PRINT_MAP, PERF, 4, 4, self.target.cpus, 0, U32, U32)
        return MapSpec(PRINT_MAP, "ringbuf", 0, 0, PRINT_PAGES * PAGE)


def _note(seen: list[str], what: str) -> None:
    if what not in seen:
        seen.append(what)
