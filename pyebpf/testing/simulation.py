"""Probes in user space: compiled as far as our IR, and interpreted on what a test supplies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from pyebpf.dsl.choose import choose
from pyebpf.dsl.collect import collect
from pyebpf.dsl.compile import build_unit
from pyebpf.dsl.constants import chosen_values, value_of
from pyebpf.dsl.events import Events
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.perf import PerfEventArray
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.shared import Global
from pyebpf.dsl.stacks import StackTrace
from pyebpf.dsl.tail import TailCalls
from pyebpf.dsl.unit import UnitState
from pyebpf.dsl.unit_names import LOST_MAP, PRINT_MAP
from pyebpf.dsl.user_ring import UserEvents
from pyebpf.errors import PyebpfError
from pyebpf.ir.interp import Machine, ProbeFault
from pyebpf.ir.interp.kinds import OfMapsTable, PerfTable, UserRingTable
from pyebpf.ir.interp.ring import Ring
from pyebpf.ir.interp.tables import ProgramsTable, Table
from pyebpf.ir.interp.timers import run_until
from pyebpf.open_maps import OpenMaps
from pyebpf.plain import Frozen
from pyebpf.runtime.maps.aggregates import open_aggregate
from pyebpf.runtime.maps.series import Clock
from pyebpf.runtime.printed import format_line
from pyebpf.spec.events import PAGE
from pyebpf.testing.contexts import Event, context_bytes
from pyebpf.testing.coverage import Coverage, covered
from pyebpf.testing.frozen import target as frozen_target
from pyebpf.testing.objects import KernelObject, Objects, UserMemory, address_of
from pyebpf.testing.views import (
    MemoryGlobal,
    MemoryOfMaps,
    MemoryPrograms,
    MemorySource,
    MemoryStream,
    MemoryUserRing,
    open_table,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

    from pyebpf.diag import Span
    from pyebpf.dsl.probes import Hook
    from pyebpf.dsl.probes.alternatives import Loadable
    from pyebpf.ir.interp.code import Code, Frame
    from pyebpf.ir.interp.helpers import Helper
    from pyebpf.ir.nodes import CallHelper
    from pyebpf.spec.target import Target

#: What a test may set under the name that probes know it by.
_WORLD = {
    "comm", "cpu", "tgid", "tid", "uid", "gid", "numa_node", "cgroup_id", "attach_cookie",
    "now_ns", "step_ns", "kernel_stack", "user_stack",
}  # fmt: skip

T = TypeVar("T")


class Step(Frozen):
    """Where a probe is, before it runs a line.

    Attributes:
        function: the program that is running.
        span: the place in the Python source.
        variables: the local variables that hold numbers, by name.
    """

    function: str
    span: Span
    variables: Mapping[str, int]


def run(
    *probes: Loadable,
    target: Target | None = None,
    options: Mapping[Any, Any] | None = None,
    strict: bool = False,
    on_line: Callable[[Step], None] | None = None,
) -> Simulation:
    """Compile probes and make them ready to be fired, without a kernel.

    Args:
        probes: what to test.
        target: the kernel to compile for; :func:`pyebpf.testing.target` by default.
        options: values of ``Const`` declarations.
        strict: reading a field of a kernel object that the test did not give is a fault; without,
            it is 0.
        on_line: called before each line of a probe: for debuggers, and to watch variables.

    Raises:
        CompileError: what is wrong with the probes.
    """
    return Simulation(
        probes, target or frozen_target(), chosen_values(options), strict=strict, on_line=on_line
    )


class Simulation(OpenMaps):
    """Probes, their maps, and the world that a test makes up for them.

    ``t[map]`` is what ``session[map]`` is in a session: the same classes, over maps in memory.

    Attributes:
        machine: the interpreter, for what is not offered here.
        printed: the lines that probes printed, line ends included.
    """

    def __init__(
        self,
        probes: tuple[Loadable, ...],
        target: Target,
        options: Mapping[Any, Any],
        *,
        strict: bool,
        on_line: Callable[[Step], None] | None,
    ) -> None:
        chosen = choose(probes, target, options)
        self._found = collect(chosen.given, chosen.picks)
        self._options = options
        unit = UnitState(target, options, self._found)
        made = build_unit(self._found.all_probes(), unit)
        self._programs: list[tuple[str, Probe, Hook]] = list(unit.programs)
        self._prints = tuple(unit.prints)
        self._lost = {use.index: use.spec.name for use in unit.maps.values()} | {0: "print"}
        self._tell = on_line
        self._last_step: tuple[str, str, int] | None = None
        self.machine = Machine(made, target, self._step if on_line else None)
        self._objects = Objects(target.btf, self.machine.memory, strict=strict)
        super().__init__()
        self._task: KernelObject | None = None
        self.machine.world.task = self._current_task
        self.printed: list[str] = []
        self._fill_tables()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for view in self._views.values():
            view.close()

    # -- the world

    def set(self, name: str, value: Any) -> None:
        """Say what a helper gives, or how the world is.

        Args:
            name: a BPF helper (``"ktime_get_ns"``), or one of ``comm``, ``cpu``, ``tgid``, ``tid``,
                ``uid``, ``gid``, ``numa_node``, ``cgroup_id``, ``attach_cookie``, ``current_task``,
                ``now_ns`` (the time), ``step_ns`` (what it goes on by at each reading),
                ``kernel_stack`` and ``user_stack`` (addresses, innermost first).
            value: a number; or a sequence of numbers, given one after the other, and then it is a
                fault to ask again; or a function of the helper's arguments.

        Raises:
            KeyError: there is nothing of that name.
            ValueError: the target has no such CPU.
        """
        world = self.machine.world
        if name == "current_task":
            self._task = value
        elif name in _WORLD:
            if not hasattr(world, name):
                raise KeyError(name)
            if isinstance(value, str):
                value = value.encode()
            if name == "cpu" and not 0 <= value < self.machine.target.cpus:
                raise ValueError(f"the target has {self.machine.target.cpus} CPUs: target(cpus=…)")
            setattr(world, name, tuple(value) if name.endswith("stack") else value)
        elif name == "get_current_comm":
            world.comm = value.encode() if isinstance(value, str) else value
        else:
            self.machine.given[name] = _supplied(name, value)

    def kernel(self, kind: Any, /, **fields: Any) -> KernelObject:
        """Make a kernel object.

        Args:
            kind: the struct, from ``pyebpf.kernel`` or by name.
            fields: its fields. A struct inside takes a dict, an array a list, text a str; a pointer
                takes an object, an address, None, or a dict, which makes what it points to.
        """
        return self._objects.make(self._objects.find(kind), fields)

    def user(self, data: bytes | str | int) -> UserMemory:
        """Make memory of a process: bytes, a text with its NUL, or that many zero bytes."""
        if isinstance(data, int):
            data = bytes(data)
        raw = data.encode() + b"\0" if isinstance(data, str) else data
        return UserMemory(self._objects.text(raw, kernel=False))

    def _current_task(self) -> int:
        if self._task is None:
            world = self.machine.world
            self._task = self.kernel("task_struct", pid=world.tid, tgid=world.tgid, comm=world.comm)
        return address_of(self._task)

    # -- running

    def fire(
        self,
        probe: Loadable,
        *args: Any,
        context: bytes | None = None,
        packet: bytes | bytearray = b"",
        event: str | None = None,
        **fields: Any,
    ) -> int:
        """Run a probe once; return its result.

        Args:
            probe: one of those given to :func:`run`.
            args: of a raw tracepoint, as 64-bit numbers; of a typed one also by name; of a kprobe
                or uprobe those after its context.
            context: the bytes of the context, for kinds of probes that have no form here.
            packet: the data of a packet, from where the kernel's context says it begins; what the
                probe writes to a ``bytearray`` is there afterwards.
            event: which hook, if the probe has several: the target of its decorator.
            fields: of a tracepoint: numbers, text, :meth:`user` memory. Of a typed one: numbers,
                :meth:`kernel` objects, or dicts that make one.

        Raises:
            ProbeFault: the probe did what the kernel would refuse or cannot survive.
        """
        name, taken, hook = self._program(probe, event)
        if context is None:
            known = Event(self.machine.target, self._objects, taken, hook, packet)
            context = context_bytes(known, args, fields)
        self._last_step = None
        try:
            return self.machine.run(name, context, packet)
        finally:
            self._collect_lines()

    def _program(self, probe: Loadable, event: str | None) -> tuple[str, Probe, Hook]:
        wanted = self._found.taken(probe)
        for name, one, hook in self._programs:
            if one in wanted and event in (None, hook.target):
                return name, one, hook
        where = f" at {event}" if event else ""
        raise PyebpfError(f"{getattr(probe, 'name', probe)}{where} is not among the probes here")

    def _collect_lines(self) -> None:
        ring = self.machine.tables.get(PRINT_MAP)
        if isinstance(ring, (Ring, PerfTable)):
            self.printed += [format_line(record, self._prints) for record in ring.read()]

    def _step(self, code: Code, span: Span, frame: Frame) -> None:
        here = (code.fn.name, span.source.name, span.line)
        if here == self._last_step:  # a line may be several blocks
            return
        self._last_step = here
        variables = {}
        for slot in code.fn.slots:
            value = frame[code.places[slot]]
            if isinstance(value, int) and slot not in code.in_memory:
                variables[slot.name] = value
        assert self._tell is not None
        self._tell(Step(code.fn.name, span, variables))

    def advance(self, delay_ns: int) -> int:
        """Let time go on, and run the timers that are due on the way; return how many ran.

        Args:
            delay_ns: by how many nanoseconds.
        """
        try:
            return run_until(self.machine, self.machine.world.now_ns + delay_ns)
        finally:
            self._collect_lines()

    # -- results

    def _view(self, decl: MapDecl) -> Any:
        name = self._found.maps.get(decl, "")
        if isinstance(decl, Global) and name in self.machine.globals:
            spec = decl.spec(name, self.machine.target.cpus)
            return MemoryGlobal(self.machine.globals[name], decl.data_type(), spec)
        table = self.machine.tables.get(name)
        if table is None:
            shown = name or type(decl).__name__
            raise KeyError(f"no probe here uses {shown}, so there is no such map")
        if isinstance(table, UserRingTable):
            assert isinstance(decl, UserEvents)
            return MemoryUserRing(table, decl.record())
        if isinstance(table, (Ring, PerfTable)):
            return self._stream(decl, table)
        if isinstance(table, OfMapsTable):
            return MemoryOfMaps(table, self.machine.table)
        if isinstance(table, ProgramsTable):
            return MemoryPrograms(table, self._name_of)
        return self._entries(decl, table)

    def _entries(self, decl: MapDecl, table: Table) -> Any:
        """Return the view of a map with entries, or of what its rows are."""
        opened, shape = open_table(table), decl.aggregate()
        if isinstance(decl, StackTrace) and decl.second is not None:
            opened.second = open_table(self.machine.tables[self._found.maps[decl.second]])
        if shape is None:
            return opened
        totals = bool(value_of(getattr(decl, "totals", False), self._options))
        clock = Clock("simulated", lambda: self.machine.world.now_ns, 0)
        return open_aggregate(opened, shape, totals=totals, clock=clock)

    def _stream(self, decl: MapDecl, table: Ring | PerfTable) -> MemoryStream:
        """Return the view of a map that records go through."""
        assert isinstance(decl, (Events, PerfEventArray))
        shape, name = decl.shape(), table.spec.name
        assert shape is not None
        shape = shape.replace(perf=isinstance(table, PerfTable))
        source = MemorySource(table, decl.pages * PAGE)
        return MemoryStream(source, shape, lambda: self.lost().get(name, 0))

    def events(self, decl: Events[Any]) -> NDArray[Any]:
        """Return the records that were sent since the last call.

        Shape:  ``(n,)``, n ≥ 0.
        """
        sent: NDArray[Any] = self[decl].read()
        return sent

    def option(self, const: T) -> T:
        """Return the value that a ``Const`` has here, as ``Session.option`` does."""
        value: T = value_of(const, self._options)
        return value

    def lost(self) -> dict[str, int]:
        """Return how many updates were refused, by map, as ``Session.lost`` does."""
        table, variable = self.machine.tables.get(LOST_MAP), self.machine.globals.get(LOST_MAP)

        def counter(number: int) -> bytes:
            if variable is not None:
                return bytes(variable[8 * number : 8 * number + 8])
            return (table and table.value(number.to_bytes(4, "little"))) or b""

        counts = {name: int.from_bytes(counter(n), "little") for n, name in self._lost.items()}
        return {name: count for name, count in counts.items() if count}

    def coverage(self) -> Coverage:
        """Return which lines have run so far, and which have not."""
        return covered(self.machine.codes())

    def _name_of(self, probe: object) -> str:
        for name, one, _ in self._programs:
            if one is probe:
                return name
        raise KeyError(f"{getattr(probe, 'name', probe)!r} is not among the probes here")

    def _fill_tables(self) -> None:
        for decl, name in self._found.maps.items():
            table = self.machine.tables.get(name)
            if isinstance(table, OfMapsTable):
                for number, inner in table.spec.slots:
                    table.inside[number.to_bytes(4, "little")] = self.machine.tables[inner]
            if isinstance(decl, TailCalls) and isinstance(table, ProgramsTable):
                for number, probe in enumerate(decl.probes):
                    if probe is not None:
                        table.programs[number] = self._name_of(probe)


def _supplied(name: str, value: Any) -> Helper:
    if callable(value):
        return lambda _m, args, _call: int(value(*args))
    if isinstance(value, Iterable):
        return _in_order(name, iter(value))
    fixed = address_of(value)
    return lambda _m, _args, _call: fixed


def _in_order(name: str, values: Iterator[Any]) -> Helper:
    def answer(machine: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
        for value in values:
            return address_of(value)
        raise ProbeFault(f"`{name}` is called more often than the test gave values", call.span)

    return answer
