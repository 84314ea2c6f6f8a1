"""Part of a session: how people look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.dsl.unit_names import PRINT_MAP
from pyebpf.errors import PyebpfError
from pyebpf.lazy import lazy
from pyebpf.runtime.links import lacks
from pyebpf.streams import Streams

if TYPE_CHECKING:
    from pyebpf import live
    from pyebpf.spec.compiled import Compiled
else:
    live = lazy("pyebpf.live")  # needs numpy, which a start does not wait for


class Shown(Streams):
    """What is shown of a session: its views while the kernel runs."""

    def live(self, *views: Any, interval: float = 0.5, seconds: float = float("inf")) -> Any:
        """Draw views again and again while the kernel runs, in place.

        In a notebook this is the output of the cell, and interrupting the kernel (■) ends it; in
        a terminal it is some lines of it, and Ctrl-C does. Neither is an error: the state at the
        end stays on the screen, and is returned. What probes print comes beside it, as it comes.

        A cell that ends with ``session.live(…)`` shows what that returns, too: assign it, or put a
        semicolon behind it.

        Args:
            views: what to draw, beneath each other: declarations of this session
                (``Log2Hist``, ``Hash``, ``Events``, …), open views, anything that draws itself, and
                functions without arguments that return such a thing, called for each drawing.
                Without any: all histograms, counts, statistics and series of the session.
            interval: seconds from one drawing to the next; what takes longer to draw is drawn less
                often.
            seconds: for how long.

        Returns:
            The last state of the view, of several a tuple: what ``snapshot()`` gives of aggregates;
            of other maps a ``Table``, the greatest value first; of ``Events`` the last 1,000
            records, ``(n,)``, or a ``Batch`` of records of several types, which nobody else gets
            then; of a function what it returned.

        Raises:
            ValueError: ``interval`` is not more than 0.
            KeyError: no loaded probe uses a declaration.
            PyebpfError: there is nothing to draw.
            KeyboardInterrupt: of a second Ctrl-C, where a function does not return after the first.
        """
        kept = [decl for decl in self._found.maps if decl.aggregate() and self._is_loaded(decl)]
        if not (views or kept):
            raise PyebpfError("there is nothing to draw: say which maps, live(counts)")
        shared = PRINT_MAP in self._loaded.maps
        return live.live(
            self,
            views or kept,
            self._found.maps,
            interval=interval,
            seconds=seconds,
            shared=shared,
        )

    def explain(self) -> str:
        """Say which hooks are attached and which fields are read there."""
        return explain(self.compiled)


def explain(compiled: Compiled) -> str:
    """Say which hooks a compiled program attaches to and which fields it reads there."""
    out = []
    for info in compiled.programs:
        out.append(f"{info.name}: {info.kind} {info.target}".rstrip())
        later = lacks(PROGRAM_KINDS[info.kind], info.target, dict(info.at)) if info.attach else ""
        out += [f"    not attached: {later}"] * bool(later)
        out += [f"    reads {field}" for field in info.fields]
        out += [f"    {note}" for note in info.notes]
    return "\n".join(out)
