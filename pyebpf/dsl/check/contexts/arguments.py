"""Arguments that BTF types: what a traced function takes and gives, what an iterator visits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.dsl.annotations import data_type, pointee
from pyebpf.dsl.check.contexts.base import Given, bad_argument, unknown_hook
from pyebpf.dsl.check.contexts.iterators import iterator_context
from pyebpf.dsl.check.convert import to_int
from pyebpf.dsl.faults import Fault
from pyebpf.dsl.faults_kernel import HookMismatch
from pyebpf.dsl.typed import Expr, Parameter
from pyebpf.dsl.typed_context import ContextField
from pyebpf.dsl.types import U64, Address, Int, Maybe, Pointer, Space, ValueType

if TYPE_CHECKING:
    from pyebpf.dsl.check.kernel_types import Argument, Kernel, Prototype
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.probes import Hook

#: The parameter that is the traced function's result, not one of its arguments.
RESULT = "ret"
#: How the function that describes a hook is called, by the kind of program.
_PREFIX = {"lsm": "bpf_lsm_", "lsm_cgroup": "bpf_lsm_", "iter": "bpf_iter_"}
#: Kinds whose last argument is a result: the function's own, or that of the programs before.
_WITH_RESULT = ("fexit", "fmod_ret", "lsm", "lsm_cgroup", "fsession")


def typed_arguments(hook: Hook, given: list[Given], scope: Scope) -> tuple[str, list[Parameter]]:
    """Give a probe the arguments of its hook, by position; one called ``ret`` is the result."""
    row = PROGRAM_KINDS[hook.kind]
    prototype = _prototype(hook, scope)
    places = place_of(hook, [item.name for item in given], prototype)
    out = []
    for number, (item, actual) in enumerate(zip(given, places, strict=True)):
        if number == 0 and _base(hook) == "iter" and iterator_context(item, scope):
            continue
        out.append(_parameter(hook, item, actual, prototype, scope))
    return f"{row.sections[0]}{hook.target}", out


def _base(hook: Hook) -> str:
    return hook.kind.removesuffix(".s")


def prototype_of(hook: Hook, kernel: Kernel) -> Prototype | None:
    """Return what a hook passes; None if the target has no such hook."""
    base = _base(hook)
    if base == "tp_btf":
        return kernel.tracepoint(hook.target)
    return kernel.function(hook.target, Space.BTF, _PREFIX.get(base, ""))


def _prototype(hook: Hook, scope: Scope) -> Prototype:
    kernel, base = scope.unit.kernel, _base(hook)
    found = prototype_of(hook, kernel)
    if found is not None:
        return found
    module, _, name = hook.target.rpartition(":")
    if why := kernel.without_module(hook.target):
        raise unknown_hook(hook, scope, "", why)
    near = [] if module or not scope.unit.offers_names else _near(base, name, kernel)
    close = f"; did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""
    raise unknown_hook(hook, scope, close)


def _near(base: str, name: str, kernel: Kernel) -> list[str]:
    """Return hooks of a kind with nearly that name."""
    if base == "tp_btf":
        return kernel.similar_tracepoints(name)
    prefix = _PREFIX.get(base, "")
    names = kernel.similar_functions(prefix + name)
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


def place_of(hook: Hook, names: list[str], prototype: Prototype) -> list[Argument | None]:
    """Return which argument of its hook each parameter of a probe is; None if there is none."""
    out: list[Argument | None] = []
    rest = iter(prototype.arguments)
    for name in names:
        is_result = name == RESULT and _base(hook) in _WITH_RESULT
        out.append(prototype.result if is_result else next(rest, None))
    return out


def _parameter(
    hook: Hook, item: Given, given: Argument | None, prototype: Prototype, scope: Scope
) -> Parameter:
    actual, kind = argument_type(hook, item, given, prototype, scope)
    assert given is not None
    span = scope.span(item.node)
    optional = _may_be_null(hook, given, kind)
    if optional != (without_none(item.hint) is not item.hint):
        why = "the last visit passes None" if optional else "it is never None"
        example = f"{annotation_of(given)} | None" if optional else annotation_of(given)
        raise bad_argument(item, why, example, scope)
    variable = scope.variable(item.name)
    offset = 8 * given.word
    if optional:
        assert isinstance(kind, Pointer)
        variable.type = Maybe(kind)
        scope.flow = scope.flow.assign(item.name, present=False)
        return Parameter(variable, ContextField(Maybe(kind), span, offset, 8))
    value: Expr = ContextField(actual, span, offset, 8)
    if isinstance(kind, Int):
        variable.fixed, variable.range = kind, (kind.low, kind.high)
        value = to_int(value, kind)
    variable.type = kind
    scope.flow = scope.flow.assign(item.name, present=True)
    return Parameter(variable, value)


def _may_be_null(hook: Hook, given: Argument, kind: ValueType) -> bool:
    # `bpf_iter_prog_supported`: all but the first, `struct bpf_iter_meta *`, are null at the end.
    return _base(hook) == "iter" and given.word > 0 and isinstance(kind, Pointer)


def without_none(hint: Any) -> Any:
    """Return ``T`` of ``T | None``; any other annotation as it is."""
    parts = get_args(hint)
    others = [part for part in parts if part is not type(None)]
    return others[0] if len(others) == 1 and len(parts) == 2 and type(None) in parts else hint


def argument_type(
    hook: Hook, item: Given, actual: Argument | None, prototype: Prototype, scope: Scope
) -> tuple[ValueType, ValueType]:
    """Return what the kernel passes, and what the probe sees of it: the declared width.

    Raises:
        Fault: they do not agree.
    """
    spelled = ", ".join(a.spelling for a in prototype.arguments)

    def mismatch(why: str) -> Fault:
        span = scope.span(item.node)
        where = f"{hook.kind} {hook.target}"
        return Fault(
            HookMismatch(span, name=item.name, hook=where, why=why, prototype=f"({spelled})")
        )

    if actual is None:
        count = len(prototype.arguments)
        why = f"there {'is' if count == 1 else 'are'} only {count} argument{'s' * (count != 1)}"
        raise mismatch("it gives no result" if item.name == RESULT else why)
    if actual.type is None or (
        not isinstance(actual.type, (Int, Pointer)) and not _is_bool(actual)
    ):
        raise mismatch(f"`{actual.spelling}` cannot be held in a probe")
    hint = without_none(item.hint)
    declared = data_type(hint)
    if declared is None:
        raise bad_argument(item, "no type that the kernel passes", annotation_of(actual), scope)
    if not _fits(declared, actual.type, hint):
        raise mismatch(f"the kernel passes `{actual.spelling}` here")
    if isinstance(declared, Int):
        return (U64 if isinstance(actual.type, Pointer) else actual.type), declared
    return actual.type, actual.type


def _is_bool(actual: Argument) -> bool:
    return str(actual.type) == "bool"


def _fits(declared: Any, actual: ValueType, hint: Any) -> bool:
    if isinstance(declared, Address):
        wanted = pointee(hint)
        name = getattr(getattr(actual, "to", None), "name", "").removeprefix("struct ")
        return isinstance(actual, Pointer) and (not wanted or _same_struct(wanted, name))
    if isinstance(actual, Pointer):
        return bool(declared == U64)
    if isinstance(declared, Int) and isinstance(actual, Int):
        # Widths change between kernels (an error code was `int`, is `blk_status_t`); a probe may
        # ask for more bits than the kernel passes, never for fewer.
        return declared.bits >= actual.bits
    return bool(declared == actual)


def _same_struct(wanted: str, actual: str) -> bool:
    # A flavour (`request___old`) stands for the type without its suffix.
    return wanted.partition("___")[0] == actual.removeprefix("union ").partition("___")[0]


def annotation_of(actual: Argument) -> str:
    """Return how a parameter is annotated that takes an argument: ``Ptr[file]``, ``u64``."""
    if isinstance(actual.type, Pointer):
        name = getattr(actual.type.to, "name", "").removeprefix("struct ")
        return f"Ptr[{name}]" if name.isidentifier() else "u64"
    return str(actual.type)
