"""What sources of events share.

A source is a decorator that says what happens, not where: ``@block.issued()``. It takes a function
with the arguments that its docstring names, and gives what ``load`` takes: the best way that the
kernel has to call it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives, first_of
from pyebpf.dsl.probes.tracing import fentry, fexit, kprobe, kretprobe
from pyebpf.errors import PyebpfError

F = TypeVar("F", bound=Callable[..., Any])


def source(ways: Callable[[F], Iterable[Probe | tuple[Probe, ...]]]) -> Callable[[F], Alternatives]:
    """Return the decorator of a source.

    Args:
        ways: makes the probes that call a function, the best first. The parameters of the function
            that it is given are those of its annotation, so checkers compare them.
    """

    def decorate(function: F) -> Alternatives:
        if not hasattr(function, "__code__"):
            raise PyebpfError(f"a source decorates a plain function, not {function!r}")
        return first_of(*ways(function), name=function.__name__)

    return decorate


def entered(function: str, *, when: Any = True) -> Callable[[Callable[[], None]], Alternatives]:
    """Run where a function of the kernel begins: ``()``."""

    def ways(run: Callable[[], None]) -> Iterable[Probe]:
        return at_entry(function, run, when)

    return source(ways)


def at_entry(function: str, call: Callable[..., None], when: Any) -> tuple[Probe, ...]:
    """Return the ways to run where a function of the kernel begins, with its arguments."""
    return tuple(hook(function, when=when)(call) for hook in (fentry, kprobe))


def at_exit(function: str, call: Callable[..., None], when: Any) -> tuple[Probe, ...]:
    """Return the ways to run where a function of the kernel ends; ``call`` takes ``ret`` alone."""
    return tuple(hook(function, when=when)(call) for hook in (fexit, kretprobe))
