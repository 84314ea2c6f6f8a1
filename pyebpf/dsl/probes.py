"""Decorators that say where a function runs. Nothing is parsed or compiled here.

Each decorator is a typed front for a row of ``pyebpf.abi.programs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_type_hints

from pyebpf.dsl.constants import value_of
from pyebpf.errors import PyebpfError
from pyebpf.plain import Frozen, Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pyebpf.spec.types import Record


class Hook(Frozen):
    """One place to attach to: the row's name, the target there, and the option that enables it."""

    kind: str
    target: str
    when: Any = True

    def enabled(self, options: Mapping[Any, Any]) -> bool:
        """Tell whether the option that this hook depends on is set."""
        return bool(value_of(self.when, options))


class Probe(Plain):
    """A function that is to run in the kernel, with its hooks. ``load`` it to run it."""

    function: Callable[..., Any]
    hooks: tuple[Hook, ...]

    @property
    def name(self) -> str:
        return self.function.__name__

    def record(self) -> Record | None:
        """Return the record that a ``@syscall`` probe takes; None if it takes none."""
        hints = get_type_hints(self.function, include_extras=True)
        hints.pop("return", None)
        return next((getattr(h, "__pyebpf_record__", None) for h in hints.values()), None)

    def __call__(self, *_: object, **__: object) -> None:
        raise PyebpfError(f"{self.name} runs in the kernel: load({self.name}) attaches it")


def program_names(
    probes: Iterable[Probe], options: Mapping[Any, Any]
) -> list[tuple[str, Probe, Hook]]:
    """Return the programs that the probes make: one per enabled hook, each with its own name."""
    out: list[tuple[str, Probe, Hook]] = []
    used: set[str] = set()
    for probe in probes:
        for hook in probe.hooks:
            if not hook.enabled(options):
                continue
            name, number = probe.name, 1
            while name in used:
                number += 1
                name = f"{probe.name}_{number}"
            used.add(name)
            out.append((name, probe, hook))
    return out


def _hooked(kind: str, target: str, when: Any) -> Callable[[Any], Probe]:
    def decorate(function: Any) -> Probe:
        hook = Hook(kind, target, when)
        if isinstance(function, Probe):  # decorators stack: one function, several hooks
            return Probe(function.function, (hook, *function.hooks))
        if not hasattr(function, "__code__"):
            raise PyebpfError(f"@{kind} decorates a function, not {function!r}")
        return Probe(function, (hook,))

    if not target or str(target) != target:
        raise PyebpfError(f"@{kind} needs a name: @{kind}({_EXAMPLES[kind]!r})")
    return decorate


_EXAMPLES = {
    "tracepoint": "sched:sched_switch",
    "tp_btf": "sched_switch",
    "raw_tracepoint": "sys_enter",
}


def tracepoint(event: str, *, when: Any = True) -> Callable[[Any], Probe]:
    """Run at a tracepoint. The function takes a :class:`TracepointContext` with its fields.

    Args:
        event: category and name, ``"sched:sched_switch"``.
        when: attach only if this constant (see ``Const``) is true.

    Since:  Linux 4.7.
    """
    decorate = _hooked("tracepoint", event, when)
    if event.count(":") != 1:
        raise PyebpfError(
            f"@tracepoint({event!r}): write category:name, as in 'sched:sched_switch'"
        )
    return decorate


def tp_btf(name: str, *, when: Any = True) -> Callable[[Any], Probe]:
    """Run at a tracepoint, with its arguments as the kernel passes them, typed.

    The function's parameters are the tracepoint's arguments, by position; trailing ones may be left
    out.

    Args:
        name: the tracepoint without its category, ``"block_rq_issue"``.
        when: attach only if this constant is true.

    Since:  Linux 5.5, with BTF.
    """
    return _hooked("tp_btf", name, when)


def raw_tracepoint(name: str, *, when: Any = True) -> Callable[[Any], Probe]:
    """Run at a tracepoint, with its arguments as bare 64-bit numbers.

    The function takes a :class:`RawTracepointContext`.

    Since:  Linux 4.17.
    """
    return _hooked("raw_tracepoint", name, when)


def syscall(function: Callable[..., Any]) -> Probe:
    """Run when user space says so: ``session.test_run(probe, …)``. Attached to nothing.

    The function may take one parameter, a ``@record``: what the caller passes, and gets back as the
    function leaves it. Its result goes back too, as 32 bits.

    Since:  Linux 5.14.
    """
    if not hasattr(function, "__code__"):
        raise PyebpfError("@syscall decorates a function, without parentheses")
    return Probe(function, (Hook("syscall", ""),))
