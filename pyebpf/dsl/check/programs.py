"""Checking whole programs: each probe at each of its hooks, until the types of variables settle."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyebpf.diag import Diagnostics
from pyebpf.dsl.check.contexts import Given, model_of
from pyebpf.dsl.check.expr import EXPRESSIONS
from pyebpf.dsl.check.kfuncs import check_releases
from pyebpf.dsl.check.results import need_result
from pyebpf.dsl.check.scope import Rules, Scope
from pyebpf.dsl.check.stmt import STATEMENTS
from pyebpf.dsl.collect import namespace
from pyebpf.dsl.faults import Fault, Unsupported
from pyebpf.dsl.probes import program_names
from pyebpf.dsl.source import capture
from pyebpf.dsl.typed import Program
from pyebpf.dsl.types import I64, U64, Maybe
from pyebpf.dsl.unit import Known

if TYPE_CHECKING:
    from pyebpf.diag import Diagnostic
    from pyebpf.dsl.probes import Hook, Probe
    from pyebpf.dsl.typed import Parameter
    from pyebpf.dsl.unit import UnitState

RULES = Rules(EXPRESSIONS, STATEMENTS)

#: A variable's type only ever widens, and there are few widths, so checking settles in a few
#: rounds.
_ROUNDS = 12
_PATIENCE = 3


def check_programs(probes: Iterable[Probe], unit: UnitState) -> list[Program]:
    """Check every program of a unit; faults are in ``unit.diagnostics``."""
    unit.programs = named = program_names(probes, unit.options)
    programs: list[Program | None] = []
    for number in range(_ROUNDS):
        unit.diagnostics = Diagnostics()
        unit.maps.clear()
        unit.prints.clear()
        unit.made.clear()
        unit.subprograms.clear()
        unit.reads.clear()
        unit.choices.clear()
        unit.calls.clear()
        unit.written.clear()
        before = _left_to_the_next(unit)
        programs = [_check(name, probe, hook, unit) for name, probe, hook in named]
        found = {place: Known(v.type, v.range, v.fixed) for place, v in unit.made}
        if found == unit.known:
            break
        if _is_final(unit, found) and before == _left_to_the_next(unit):
            break
        unit.known = _settled(found, unit.known) if number >= _PATIENCE else found
    return [program for program in programs if program is not None]


def _left_to_the_next(unit: UnitState) -> tuple[object, ...]:
    """Return what a round of checking knows of the one before, besides what variables are."""
    return {**unit.arguments}, len(unit.collected.maps), len(unit.inner_maps)


def _is_final(unit: UnitState, found: dict[tuple[str, str], Known]) -> bool:
    """Tell whether another round would find the same: all was known of each variable at once."""
    return not unit.diagnostics.has_errors() and all(
        not v.changed and found[place] == (v.type, v.range, v.fixed) for place, v in unit.made
    )


def _settled(
    found: dict[tuple[str, str], Known], before: dict[tuple[str, str], Known]
) -> dict[tuple[str, str], Known]:
    # A range that still grows belongs to a variable that a loop counts up or down: give it the
    # width that holds what was seen, and let it wrap there.
    out = {}
    for place, now in found.items():
        was = before.get(place)
        if was is not None and was.range != now.range and now.range is not None:
            kind = U64 if now.range[1] > I64.high else I64
            wide = Maybe(kind) if isinstance(now.type, Maybe) else kind
            out[place] = Known(wide, (kind.low, kind.high), kind)
        else:
            out[place] = now
    return out


def _check(name: str, probe: Probe, hook: Hook, unit: UnitState) -> Program | None:
    try:
        scope, section, parameters = _entered(name, probe, hook, unit)
        body = scope.block(scope.source.node.body)
        where = scope.source.name_span()
        if not scope.faulty:
            need_result(scope, where)
            check_releases(name, unit)
        return Program(name, section, where, parameters, body)
    except RecursionError:
        advice = (
            "use `match` or a dict for long chains of `elif`, names for parts of long expressions"
        )
        where = capture(probe.function).name_span()
        what = "nesting this deep"
        unit.diagnostics.report(Unsupported(where, what=what, advice=advice))
        return None
    except Fault as fault:
        if fault.diagnostic is not None:
            unit.diagnostics.report(fault.diagnostic)
        return None


def signature_faults(probe: Probe, hook: Hook, unit: UnitState) -> tuple[Diagnostic, ...]:
    """Return what is wrong with a hook, and with the parameters that a probe has there.

    Raises:
        NotSupportedError: the target lacks BTF, and the hook needs it.
    """
    try:
        _entered(probe.name, probe, hook, unit)
    except Fault as fault:
        return () if fault.diagnostic is None else (fault.diagnostic,)
    return ()


def _entered(
    name: str, probe: Probe, hook: Hook, unit: UnitState
) -> tuple[Scope, str, list[Parameter]]:
    """Return the scope of a program with its parameters in it, its section, and the parameters."""
    unit.program, unit.hook_kind = name, hook.kind
    source = capture(probe.function)
    names = namespace(probe.function)
    scope = Scope(unit, RULES, source, names, stack=(probe.function,), path=name)
    section, parameters = model_of(hook.kind)(hook, _parameters(probe, scope), scope)
    return scope, section, parameters


def _parameters(probe: Probe, scope: Scope) -> list[Given]:
    args = scope.source.node.args
    for extra in (args.vararg, args.kwarg, *args.kwonlyargs):
        if extra is not None:
            what = "a keyword or `*` parameter"
            advice = "name the parameters one by one, in the order of the kernel"
            raise Fault(Unsupported(scope.span(extra), what=what, advice=advice))
    return [
        Given(arg.arg, _annotation(probe, arg, scope), arg)
        for arg in (*args.posonlyargs, *args.args)
    ]


def _annotation(probe: Probe, arg: ast.arg, scope: Scope) -> Any:
    hint = probe.function.__annotations__.get(arg.arg)
    if isinstance(hint, str):
        try:
            # The text is the user's own annotation, in the user's own module.
            return eval(hint, dict(scope.names))  # noqa: S307
        except Exception:  # noqa: BLE001 - reported as an annotation without a type
            return None
    return hint
