"""Probes in, an object file out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.dsl.check.programs import check_programs
from pyebpf.dsl.choose import Chosen, Refused, choose
from pyebpf.dsl.collect import collect
from pyebpf.dsl.constants import chosen_values
from pyebpf.dsl.lower.programs import lower_program
from pyebpf.dsl.probes import program_names
from pyebpf.dsl.unit import UnitState
from pyebpf.dsl.unit_names import LOOPS_NAME, LOOPS_SLOT, NESTED_NAME, NESTED_SLOT
from pyebpf.errors import CompileError, PyebpfError
from pyebpf.ir.context import STACK_BYTES, Context, programs_of
from pyebpf.ir.llvm.object import compile_unit
from pyebpf.ir.nodes import GlobalAddr, MapHandle, Unit
from pyebpf.ir.passes import run_pipeline
from pyebpf.ir.passes.large_slots import PREFIX
from pyebpf.ir.passes.stack_slots import StackTooLarge
from pyebpf.spec.compiled import Compiled, ProgramInfo

if TYPE_CHECKING:
    from pyebpf.dsl.probes import Hook, Probe
    from pyebpf.dsl.probes.alternatives import Loadable
    from pyebpf.spec.target import Target

_Result = TypeVar("_Result")

#: So many bytes of variables each function may have on the stack: the first that compiles is taken.
_ROOMS = (STACK_BYTES, STACK_BYTES // 2, STACK_BYTES // 4, STACK_BYTES // 16)
#: Frames of Python: an `elif`, inside the `if` before it, takes four, a call of a function twelve.
_FRAMES = 5_000


def compile_probes(
    probes: Iterable[Loadable],
    target: Target,
    options: Mapping[Any, Any] | None = None,
    license: str = "GPL",  # noqa: A002 - the kernel's word
    refused: Refused = MappingProxyType({}),
) -> Compiled:
    """Compile probes for a target into one object.

    The same probes, options and target give the same bytes.

    Args:
        probes: what to compile; of alternatives, what the target has.
        target: the kernel to compile for.
        options: values of ``Const`` declarations.
        license: what the program tells the kernel.
        refused: alternatives that cannot be taken, and why.

    Raises:
        CompileError: what is wrong with the probes, each fault at its place.
        NotSupportedError: the target lacks BTF, and a probe needs it; or has no alternative.
    """
    return compile_with_ir(probes, target, options, license, refused)[0]


def compile_with_ir(
    probes: Iterable[Loadable],
    target: Target,
    options: Mapping[Any, Any] | None = None,
    license: str = "GPL",  # noqa: A002 - the kernel's word
    refused: Refused = MappingProxyType({}),
) -> tuple[Compiled, Unit]:
    """Compile probes as :func:`compile_probes` does; return its IR too."""
    values = chosen_values(options)
    chosen = choose(probes, target, values, refused)

    def with_stack(stack: int) -> tuple[Compiled, Unit]:
        unit = UnitState(target, values, collect(chosen.given, chosen.picks))
        return _compile(chosen, unit, license, stack)

    return until_it_fits(with_stack)


def until_it_fits(compile_with: Callable[[int], _Result]) -> _Result:
    """Compile with less and less of the stack for variables, in bytes, until the code fits.

    What the code itself needs of the stack is known at the end: registers that it saves, and
    functions that are on the stack at once.
    """
    for stack in _ROOMS[:-1]:
        try:
            return compile_with(stack)
        except CompileError as error:  # noqa: PERF203 - four times at most
            if not all(isinstance(item, StackTooLarge) for item in error.diagnostics):
                raise
    return compile_with(_ROOMS[-1])


def _nothing(chosen: Chosen) -> str:
    """Say why there is nothing to load."""
    if not chosen.lacks:
        return "nothing to load: no probe has a hook that is enabled"
    listed = "\n".join(f"  {reason}" for reason in chosen.lacks)
    return f"nothing to load: this kernel, or the binary, has none of the optional hooks:\n{listed}"


def _compile(
    chosen: Chosen,
    unit: UnitState,
    license: str,  # noqa: A002
    stack: int,
) -> tuple[Compiled, Unit]:
    if not program_names(unit.collected.probes, unit.options):
        raise PyebpfError(_nothing(chosen))
    made = build_unit(unit.collected.all_probes(), unit, license, stack)
    used = {use.spec.name: use.index for use in unit.maps.values()}
    if unit.cuts_loops:
        used[LOOPS_NAME] = LOOPS_SLOT
    if any(spec.name.startswith(PREFIX) for spec in made.maps):
        used[NESTED_NAME] = NESTED_SLOT
    infos = [
        ProgramInfo(
            name,
            hook.kind,
            hook.target,
            tuple(unit.reads.get(name, ())),
            (*chosen.notes.get(probe, ()), *unit.choices.get(name, ())),
            attach=probe in unit.collected.probes and PROGRAM_KINDS[hook.kind].context != "custom",
            at=_places(name, hook, unit),
            record=unit.written.get(name),
        )
        for name, probe, hook in unit.programs
    ]
    compiled = Compiled(
        compile_unit(made, unit.target),
        tuple(infos),
        tuple(unit.prints),
        tuple(used.items()),
        chosen.picks,
    )
    return compiled, made


def _places(name: str, hook: Hook, unit: UnitState) -> tuple[tuple[str, Any], ...]:
    """Return what attaching a program needs besides its target."""
    declared = unit.arguments.get(name)
    places = hook.places(unit.options)
    return places if declared is None else (*places, ("arguments", declared))


@contextmanager
def _deep() -> Iterator[None]:
    """Let Python follow what is nested more deeply than its own limit allows."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def build_unit(
    probes: tuple[Probe, ...],
    unit: UnitState,
    license: str = "GPL",  # noqa: A002
    stack: int = STACK_BYTES,
) -> Unit:
    """Compile probes as far as our own IR, with variables of ``stack`` bytes on the stack at most.

    Raises:
        CompileError: what is wrong with the probes.
    """
    with _deep():
        programs = check_programs(probes, unit)
        unit.diagnostics.raise_errors()
        lowered = [lower_program(program, unit) for program in programs]
    lowered += [sub.function for sub in unit.lowered.values()]
    unit.diagnostics.raise_errors()
    context = Context(
        unit.target,
        unit.diagnostics,
        programs=programs_of(lowered),
        notes=unit.choices,
        lost=(unit.counters(), NESTED_SLOT),
        stack=stack,
    )
    functions = tuple(fn for each in lowered for fn in run_pipeline(each, context))
    unit.diagnostics.raise_errors()
    # Only what the final code mentions: a map of a probe that is switched off is not created.
    mentioned = [i for function in functions for block in function.blocks for i in block.instrs]
    maps = {i.map.name: i.map for i in mentioned if isinstance(i, MapHandle)}
    # What stands in a map of maps from the start need not be mentioned by a program.
    known = {use.spec.name: use.spec for use in unit.maps.values()}
    for spec in list(maps.values()):
        inside = [name for _, name in spec.slots if spec.inner is not None]
        maps |= {name: known[name] for name in inside if name not in maps}
    variables = {i.variable.name: i.variable for i in mentioned if isinstance(i, GlobalAddr)}
    return Unit(functions, tuple(maps.values()), license, tuple(variables.values()))
