"""``first_of``: several ways to run at the same moment, of which a kernel may have only some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, overload

from pyebpf.dsl.probes.base import Hook, Probe
from pyebpf.errors import PyebpfError
from pyebpf.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from pyebpf.dsl.probes.base import Decorator


class Alternatives(Plain):
    """Ordered ways to do the same. ``load`` takes the first that the kernel has.

    Attributes:
        name: what they do, for messages.
        ways: the probes of each; a way is taken whole or not at all. An empty one, which is the
            last, is to do without.
    """

    name: str
    ways: tuple[tuple[Probe, ...], ...]
    #: As of a probe.
    explain: ClassVar[Callable[..., str]]

    def __call__(self, *_: object, **__: object) -> None:
        raise PyebpfError(f"{self.name} runs in the kernel: load({self.name}) attaches it")


#: What ``load`` takes.
Loadable: TypeAlias = "Probe | Alternatives"


@overload
def first_of(
    *ways: Decorator, optional: bool = False
) -> Callable[[Callable[..., Any]], Alternatives]: ...
@overload
def first_of(
    *ways: Probe | tuple[Probe, ...], name: str = "", optional: bool = False
) -> Alternatives: ...
def first_of(*ways: Any, name: str = "", optional: bool = False) -> Any:
    """Run by the first of several ways that the kernel has; ``session.explain()`` says which.

    As a decorator it takes the decorators of one function::

        @first_of(fentry("vfs_read"), kprobe("vfs_read"))
        def read(file: Ptr[file], buf: u64, count: u64) -> None: ...

    As a function it takes probes, or tuples of probes that belong together, where the ways pass
    different arguments::

        accepted = first_of(by_fexit, (by_kprobe, by_kretprobe))

    A way is taken if the kernel knows its kinds of programs, has its hooks, and passes there what
    the probes ask for; and if it does not attach, the next is tried. A way whose ``when`` is off is
    passed over.

    Args:
        ways: the best one first.
        name: of the program, where a way is one; for messages; by default the function's.
        optional: do without, where the kernel or the binary has none of the ways.

    Raises:
        PyebpfError: there are no ways, or they are neither all decorators nor all probes.
    """
    if not ways:
        raise PyebpfError("first_of takes the ways to choose from, the best one first")
    if all(isinstance(way, (Probe, tuple)) for way in ways):
        made = tuple(way if isinstance(way, tuple) else (way,) for way in ways)
        if not all(way and all(isinstance(probe, Probe) for probe in way) for way in made):
            raise PyebpfError("first_of takes probes, and tuples of probes that belong together")
        return _named(made, name, optional=optional)
    if not all(callable(way) and not isinstance(way, (Probe, Alternatives)) for way in ways):
        raise PyebpfError("first_of takes decorators, @first_of(fentry('vfs_read'), …), or probes")

    def decorate(function: Any) -> Alternatives:
        if isinstance(function, (Probe, Alternatives)):
            raise PyebpfError("@first_of stands alone: a function has either hooks or alternatives")
        made = tuple((way(function),) for way in ways)
        return _named(made, name, optional=optional)

    return decorate


def _named(ways: tuple[tuple[Probe, ...], ...], name: str, *, optional: bool) -> Alternatives:
    ways = (*ways, ()) if optional else ways
    if not name:
        return Alternatives(ways[0][0].name, ways)
    alone = (
        (Probe(way[0].function, way[0].hooks, name),) if len(way) == 1 else way for way in ways
    )
    return Alternatives(name, tuple(alone))


def hook_text(hook: Hook) -> str:
    """Say a hook in words: ``fentry vfs_read``."""
    return f"{hook.kind} {hook.target}".rstrip()
