"""What every kind of hooks can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pyebpf.spec.patterns import matcher

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyebpf.hooks.entries import Entry


class Kind(Protocol):
    """A kind of hooks in one place: the kernel, or a binary."""

    @property
    def name(self) -> str:
        """How it is called on the command line."""

    @property
    def doubt(self) -> str:
        """What is not known of the hooks that were described; empty if everything is."""

    def names(self) -> Iterable[str]:
        """Return the name of every hook, in any order.

        Raises:
            PyebpfError: they cannot be told here, and why.
        """

    def describe(self, name: str) -> Entry:
        """Return a hook by its name."""


def matching(names: Iterable[str], pattern: str, *, bare: bool = False) -> list[str]:
    """Return the names that a pattern matches, sorted, each once.

    Args:
        names: to choose from.
        pattern: as for :func:`pyebpf.spec.patterns.matcher`.
        bare: the part behind a colon will do: ``sched_switch`` for ``sched:sched_switch``.
    """
    match = matcher(pattern)
    if not bare:
        return sorted({name for name in names if match(name)})
    return sorted({n for n in names if match(n) or match(n.rpartition(":")[2])})
