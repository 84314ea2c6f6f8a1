"""Views drawn again and again while the kernel runs, in place."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pyebpf.dsl.maps import MapDecl
from pyebpf.plain import Plain
from pyebpf.present import screens
from pyebpf.present.interchange import Table
from pyebpf.present.picture import Picture, gallery, picture
from pyebpf.runtime import batches
from pyebpf.runtime.maps.base import EntryMap
from pyebpf.runtime.maps.shared import GlobalView
from pyebpf.runtime.stream import EventStream
from pyebpf.stopping import Wish

if TYPE_CHECKING:
    from pyebpf.present.screens import Display

#: How long it takes until a wish to end is seen, at most. Seconds.
_SLICE = 0.1
#: How many records of a stream are kept, and how many of them are shown.
KEPT, _SHOWN = 1_000, 20


class _Stop(Wish):
    """A wish to end; a second one interrupts, for a function that does not return."""

    def wish(self) -> None:
        if self.is_over:
            raise KeyboardInterrupt
        self.is_over = True

    def fulfil(self) -> None:
        """Do what the signal would have done, unless it was Ctrl-C: that was done by ending."""
        if self._number != signal.SIGINT:
            super().fulfil()


class Look(Plain):
    """One thing that is looked at.

    Attributes:
        name: stands above it.
        state: reads it.
        drawn: how a state looks.
        meanwhile: is called between drawings, so that no buffer runs over.
    """

    name: str
    state: Callable[[], Any]
    drawn: Callable[[Any], Picture] = picture
    meanwhile: Callable[[], object] | None = None


class _Latest:
    """The last records of a stream."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._batches: deque[Any] = deque()
        self._kept = 0

    def take(self) -> None:
        """Take what has come."""
        batch = self._stream.read()
        if len(batch) or not self._batches:
            self._batches.append(batch)
            self._kept += len(batch)
        while self._kept - len(self._batches[0]) >= KEPT:
            self._kept -= len(self._batches.popleft())

    def state(self) -> Any:
        """Take what has come, and return the last records: ``(n,)``, or a ``Batch`` of them."""
        self.take()
        held = [*self._batches]
        if isinstance(held[0], batches.Batch):
            return batches.joined(self._stream.shape, held)
        return np.concatenate(held)[-KEPT:]

    def drawn(self, state: Any) -> Picture:
        """Return the last few of the last records, with what came at all."""
        shape = self._stream.shape
        if isinstance(state, batches.Batch):
            tables = [
                (name, Table(array[-_SHOWN:], kind))
                for kind, (name, array) in zip(shape.kinds, state.items(), strict=True)
            ]
        else:
            tables = [("", Table(state[-_SHOWN:], shape.kinds[0]))]
        note = self._stream.summary()
        return gallery([(name, picture(table)) for name, table in tables], note)


def look(what: Any, name: str) -> Look:
    """Return how a view, a function or a value is looked at.

    Args:
        what: an open view, a function that makes what is drawn, or something that draws itself.
        name: stands above it.
    """
    if isinstance(what, EventStream):
        latest = _Latest(what)
        return Look(name, latest.state, latest.drawn, latest.take)
    if isinstance(what, GlobalView):
        return Look(name, lambda: what.value)
    if isinstance(what, EntryMap):
        return Look(name, lambda: what.top(what.spec.max_entries))
    if callable(getattr(what, "snapshot", None)):
        return Look(name, what.snapshot)
    return Look(name, what if callable(what) else lambda: what)


def name_of(what: Any, names: dict[MapDecl, str]) -> str:
    """Return what stands above a view: the name of its declaration, of its map, of a function."""
    if isinstance(what, MapDecl):
        return names.get(what, "")
    name = getattr(getattr(what, "map", what), "name", None) or getattr(what, "__name__", "")
    return "" if name == "<lambda>" else str(name)


def watch(
    looks: Sequence[Look],
    interval: float,
    seconds: float,
    sleep: Callable[[float], None],
    display: Display,
) -> tuple[Any, ...]:
    """Draw until the time is over or somebody wants to end; return the last states.

    Args:
        looks: what to draw.
        interval: seconds from one drawing to the next; what takes longer is drawn less often.
        seconds: for how long.
        sleep: waits so many seconds at most.
        display: where.
    """
    begin = time.monotonic()
    busy = [one.meanwhile for one in looks if one.meanwhile is not None]
    with _Stop() as stop:
        while True:
            now = time.monotonic() - begin
            ended = stop.is_over or now >= seconds
            states = tuple(one.state() for one in looks)
            note = f"{min(now, seconds):.1f} s" + ("" if ended else ", running")
            drawn = [(one.name, one.drawn(value)) for one, value in zip(looks, states, strict=True)]
            display.show(gallery(drawn, note))
            if ended:
                break
            until = min((now // interval + 1) * interval, seconds)
            while not stop.is_over and (left := begin + until - time.monotonic()) > 0:
                sleep(min(left, _SLICE))
                for call in busy:
                    call()
    stop.fulfil()
    return states


def live(
    session: Any,
    views: Sequence[Any],
    names: dict[MapDecl, str],
    *,
    interval: float,
    seconds: float,
    shared: bool,
) -> Any:
    """Do what :meth:`pyebpf.Session.live` says.

    Args:
        session: gives open maps by their declarations, and sleeps.
        views: what to draw.
        names: of declarations.
        interval: seconds from one drawing to the next.
        seconds: for how long.
        shared: the session writes to the output while it sleeps.
    """
    if not interval > 0:
        raise ValueError(f"views are drawn every so many seconds, not {interval}")
    looks = [
        look(session[one] if isinstance(one, MapDecl) else one, name_of(one, names))
        for one in views
    ]
    if len(looks) == 1:
        looks[0].name = ""
    states = watch(looks, interval, seconds, session.sleep, screens.display(shared=shared))
    return states[0] if len(states) == 1 else states
