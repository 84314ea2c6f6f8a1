"""What takes long, told to whoever watches: a terminal, if the command line has one; else nobody.

with doing("compiling the probes"):
…
for spec in counted(specs, "loading programs"):
…
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Step:
    """Something that is being done.

    Attributes:
        what: it is.
        done: so many parts of it are.
        total: how many it has; 0 if they are not counted.
    """

    __slots__ = ("done", "total", "what")

    def __init__(self, what: str, total: int = 0) -> None:
        self.what, self.done, self.total = what, 0, total


class Watcher(Protocol):
    """Somebody who is told."""

    def begin(self, step: Step) -> None:
        """Something begins; what was being done goes on when it has ended."""
        ...

    def end(self, step: Step) -> None:
        """It has ended; after an error maybe late."""
        ...

    def make_way(self) -> None:
        """Something else is about to be written."""
        ...


_watcher: Watcher | None = None


def is_watched() -> bool:
    """Tell whether there is somebody already."""
    return _watcher is not None


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Tell somebody of what is done meanwhile."""
    global _watcher  # noqa: PLW0603 - a process has one terminal
    before, _watcher = _watcher, watcher
    try:
        yield
    finally:
        _watcher = before


@contextmanager
def doing(what: str, total: int = 0) -> Iterator[Step]:
    """Tell that something is done that may take long, in so many parts if they are counted."""
    step, watcher = Step(what, total), _watcher
    if watcher is None:
        yield step
        return
    watcher.begin(step)
    try:
        yield step
    finally:
        watcher.end(step)


def counted(parts: Collection[T], what: str) -> Iterator[T]:
    """Give one part after the other, and tell how many there are and were."""
    with doing(what, len(parts)) as step:
        for step.done, part in enumerate(parts):
            yield part


def make_way() -> None:
    """Tell that something else is about to be written."""
    if _watcher is not None:
        _watcher.make_way()
