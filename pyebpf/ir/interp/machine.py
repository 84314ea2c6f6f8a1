"""A machine for one unit: its memory, its maps, its functions, and the world outside of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pyebpf.abi.programs import program_kind_of_section
from pyebpf.btf.layout import size_of
from pyebpf.errors import PyebpfError
from pyebpf.ir.interp.access import ACCESS
from pyebpf.ir.interp.calls import CALLS
from pyebpf.ir.interp.code import Code
from pyebpf.ir.interp.faults import ProbeFault
from pyebpf.ir.interp.helpers import HELPERS, TailCall
from pyebpf.ir.interp.kinds import KIND_HELPERS, KIND_TABLES
from pyebpf.ir.interp.memory import Memory
from pyebpf.ir.interp.numbers import NUMBERS
from pyebpf.ir.interp.ring import Ring
from pyebpf.ir.interp.tables import TABLES
from pyebpf.ir.interp.text_helpers import TEXT_HELPERS

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.ir.interp.code import Frame, Operation
    from pyebpf.ir.interp.helpers import Helper
    from pyebpf.ir.interp.tables import Table
    from pyebpf.ir.interp.timers import Pending
    from pyebpf.ir.nodes import CallHelper, GlobalVariable, KernelSymbol, Unit, Value
    from pyebpf.spec.objects import MapSpec
    from pyebpf.spec.target import Target

_TABLES: dict[str, type[Table]] = {**TABLES, **KIND_TABLES, "ringbuf": Ring}
_HELPERS: dict[str, Helper] = {**HELPERS, **KIND_HELPERS, **TEXT_HELPERS}

#: How many blocks one run may take before it counts as endless.
FUEL = 50_000_000


class World:
    """What helpers say about the machine and the current thread.

    Attributes:
        now_ns: the time; each reading moves it on by ``step_ns``.
        kernel_stack, user_stack: addresses of the current call stacks, innermost first.
        task: gives the address of the current task.
    """

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000
        self.step_ns = 1_000
        self.cpu = 0
        self.numa_node = 0
        self.tgid = self.tid = 1_000
        self.uid = self.gid = 0
        self.cgroup_id = 1
        self.attach_cookie = 0
        self.comm = b"probe"
        self.kernel_stack: tuple[int, ...] = ()
        self.user_stack: tuple[int, ...] = ()
        self.task: Callable[[], int] = lambda: 0
        self._random = random.Random(0)  # noqa: S311 - the same in every run is the purpose

    def tick(self) -> int:
        """Return the time, and let it go on."""
        now = self.now_ns
        self.now_ns += self.step_ns
        return now

    @property
    def pid_tgid(self) -> int:
        """Process and thread, as the helper gives them."""
        return self.tgid << 32 | self.tid

    @property
    def uid_gid(self) -> int:
        """Group and user, as the helper gives them."""
        return self.gid << 32 | self.uid

    @property
    def random(self) -> int:
        """The next number of a fixed sequence."""
        return self._random.getrandbits(32)

    @property
    def jiffies(self) -> int:
        """The time in ticks of 4 ms."""
        return self.now_ns // 4_000_000


#: Forms of contexts that programs only read.
_READ_ONLY = ("record", "words", "arguments", "pt_regs", "usdt", "bpf_perf_event_data")


class Machine:
    """Runs the programs of one unit.

    Attributes:
        memory: where everything is.
        tables: the maps, by name.
        world: what helpers say about the outside.
        given: what a test supplies for a helper, by the helper's name.
        on_line: called before each new line; must be set before the first run.
        fuel: how many blocks may still run.
    """

    rules: ClassVar[dict[type[Value], Callable[[Code, Any], Operation]]] = {
        **NUMBERS,
        **ACCESS,
        **CALLS,
    }

    def __init__(
        self, unit: Unit, target: Target, on_line: Callable[[Code, Span, Frame], None] | None = None
    ) -> None:
        self.unit = unit
        self.target = target
        self.on_line = on_line
        self.memory = Memory()
        self.world = World()
        self.given: dict[str, Helper] = {}
        self.tables: dict[str, Table] = {}
        self.tables_by_handle: dict[int, Table] = {}
        self.globals: dict[str, bytearray] = {}
        self._global_addresses: dict[str, int] = {}
        self._variables: dict[str, int] = {}
        self._functions = {fn.name: fn for fn in unit.functions}
        self._codes: dict[str, Code] = {}
        self._function_addresses: dict[str, int] = {}
        self.tail_calls = 0
        #: Timers of map values, by their addresses.
        self.timers: dict[int, Pending] = {}
        self.fuel = FUEL
        self.packet = self.memory.add(bytearray(), "the packet")
        for spec in unit.maps:
            self.table(spec)
        for variable in unit.globals:
            self.global_address(variable)

    # -- what the code refers to

    def table(self, spec: MapSpec) -> Table:
        """Return the map of a specification, making it at its first mention."""
        if spec.name not in self.tables:
            kind = _TABLES.get(spec.kind)
            if kind is None:
                raise PyebpfError(f"the interpreter has no maps of kind {spec.kind} yet")
            made = kind(spec, self.memory, self.target.cpus)
            self.tables[spec.name] = self.tables_by_handle[made.handle] = made
        return self.tables[spec.name]

    def global_address(self, variable: GlobalVariable) -> int:
        """Return the address of a global variable."""
        if variable.name not in self.globals:
            data = self.globals[variable.name] = bytearray(variable.initial)
            region = self.memory.add(data, f"global `{variable.name}`")
            self._global_addresses[variable.name] = region.base
        return self._global_addresses[variable.name]

    def kernel_variable(self, symbol: KernelSymbol) -> int:
        """Return the address of a variable of the kernel, which the test may write to."""
        if symbol.name not in self._variables:
            known = self.target.btf is not None and symbol.declared
            size = size_of(self.target.btf, symbol.declared) if known else 8  # type: ignore[arg-type]
            region = self.memory.add(bytearray(size), f"kernel variable `{symbol.name}`")
            self._variables[symbol.name] = region.base
        return self._variables[symbol.name]

    def code(self, name: str) -> Code:
        """Return a function, ready to run."""
        if name not in self._codes:
            self._codes[name] = Code(self, self._functions[name])
        return self._codes[name]

    def codes(self) -> list[Code]:
        """Return all functions of the unit."""
        return [self.code(name) for name in self._functions]

    def function_address(self, name: str) -> int:
        """Return an address that stands for a function."""
        if name not in self._function_addresses:
            region = self.memory.add(bytearray(8), f"function `{name}`", writable=False)
            self._function_addresses[name] = region.base
        return self._function_addresses[name]

    def function_at(self, address: int, call: CallHelper) -> Code:
        """Return the function that an address stands for."""
        for name, base in self._function_addresses.items():
            if base == address:
                return self.code(name)
        raise ProbeFault(f"{call.helper} gets something that is no function", call.span)

    def helper(self, call: CallHelper) -> Helper:
        """Return what answers a helper: asked anew at each call, for a test may change it."""
        name, given = call.helper, self.given
        usual = _HELPERS.get(name, _unknown)

        def answer(machine: Machine, args: list[int], call: CallHelper) -> int:
            return given.get(name, usual)(machine, args, call)

        return answer

    def stepper(self, code: Code, span: Span) -> Operation:
        """Return an operation that tells of a new line."""
        on_line = self.on_line
        assert on_line is not None
        return lambda r: on_line(code, span, r)

    # -- running

    def run(self, program: str, context: bytes, packet: bytes | bytearray = b"") -> int:
        """Run a program once on a context; return its result.

        Args:
            program: its name.
            context: its bytes.
            packet: the data that the context's bounds count in; a ``bytearray`` is changed.

        Raises:
            ProbeFault: it did what the kernel would refuse or cannot survive.
        """
        # Of tracing programs, only one that user space calls may write to its context.
        section = next(f.section for f in self.unit.functions if f.name == program)
        mine = program_kind_of_section(section)[0].context not in _READ_ONLY
        region = self.memory.add(bytearray(context), "the context", writable=mine)
        data = packet if isinstance(packet, bytearray) else bytearray(packet)
        self.packet = self.memory.add(data, "the packet")
        self.fuel, self.tail_calls = FUEL, 0
        try:
            result = self._follow(program, region.base)
        finally:
            self.memory.remove(region)
            self.memory.remove(self.packet)
        for table in self.tables.values():
            if isinstance(table, Ring):
                table.check_finished()
        return result

    def _follow(self, program: str, context: int) -> int:
        while True:
            try:
                return self.code(program).run((context,))
            except TailCall as jump:  # noqa: PERF203 - it is rare
                program = jump.program


def _unknown(machine: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    name = call.helper
    raise ProbeFault(f"helper `{name}` is not simulated; supply it: t.set({name!r}, …)", call.span)
