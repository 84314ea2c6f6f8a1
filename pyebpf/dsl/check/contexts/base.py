"""What every model of a context uses: objects with members, parameters, faults of hooks."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, TypeAlias, get_origin

from pyebpf.dsl.faults import BadAnnotation, Fault, UnknownField, UnknownHook
from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.probes import Hook
    from pyebpf.dsl.typed import Expr, Parameter


class Context(Frozen):
    """A context with members, as the probe's first parameter."""

    def attribute(self, name: str, span: Span, scope: Scope) -> Expr:
        """Return a member."""
        raise Fault(UnknownField(span, type=type(self).__name__, name=name))

    def element(self, index: int, span: Span, scope: Scope) -> Expr:
        """Return a numbered member."""
        raise Fault(UnknownField(span, type=type(self).__name__, name=str(index)))

    def call(self, name: str, node: ast.Call, span: Span, scope: Scope) -> Expr:
        """Check a call of a method."""
        raise Fault(UnknownField(span, type=type(self).__name__, name=name))

    def length(self) -> int:
        """Return how many numbered members there are."""
        return 0


class Given(Frozen):
    """A parameter of the user's function: its name, its annotation evaluated, its place."""

    name: str
    hint: Any
    node: ast.arg


Model: TypeAlias = "Callable[[Hook, list[Given], Scope], tuple[str, list[Parameter]]]"


def one_context(given: list[Given], wanted: Any, scope: Scope, hook: Hook) -> None:
    """Refuse parameters that are not one context of a class."""
    example = wanted.__name__
    for extra in given[1:]:
        why, advice = f"{hook.kind} gives one context", f"leave `{extra.name}` out"
        raise Fault(BadAnnotation(scope.span(extra.node), extra.name, why, advice))
    if given and wanted not in (given[0].hint, get_origin(given[0].hint)):
        raise bad_argument(given[0], f"{hook.kind} gives a {example}", example, scope)


def bad_argument(item: Given, why: str, example: str, scope: Scope) -> Fault:
    """Return the fault of a parameter that is not annotated as it must be."""
    advice = f"annotate it: `{item.name}: {example}`"
    return Fault(BadAnnotation(scope.span(item.node), item.name, why, advice))


#: What the target of a hook is, in words.
_CALLED = {
    "tp_btf": "tracepoint",
    "raw_tracepoint": "tracepoint",
    "fentry": "function",
    "fexit": "function",
    "fmod_ret": "function",
    "kprobe": "function",
    "kretprobe": "function",
    "lsm": "LSM hook",
    "lsm_cgroup": "LSM hook",
    "iter": "iterator",
}


#: Where the kernel lists what there is.
_LISTS = {
    "tracepoint": "/sys/kernel/tracing/available_events lists what there is"
    "; those of modules are there once they are loaded (modprobe)",
    "function": "/proc/kallsyms lists the functions; those that are inlined are not there, "
    "and those of modules once they are loaded (modprobe)",
}


def unknown_hook(hook: Hook, scope: Scope, close: str, why: str = "") -> Fault:
    """Return the fault of a hook that the target lacks; ``why`` if that is known."""
    span, kind = hook_span(scope, hook), hook.kind.removesuffix(".s")
    what = _CALLED.get(kind, kind)
    advice = why or ("" if close else _LISTS.get(what, ""))
    return Fault(UnknownHook(span, kind=what, name=hook.target, close=close, advice=advice))


def hook_span(scope: Scope, hook: Hook) -> Span:
    """Return where the decorator names its target, or else the function's name."""
    for decorator in scope.source.node.decorator_list:
        for part in ast.walk(decorator):
            if isinstance(part, ast.Constant) and part.value == hook.target:
                return scope.span(part)
    return scope.source.name_span()
