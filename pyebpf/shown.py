"""Part of a session: how people look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.dsl.unit_names import PRINT_MAP
from pyebpf.errors import PyebpfError
from pyebpf.lazy import lazy
from pyebpf.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyebpf import explained, live
    from pyebpf.attached import Links
    from pyebpf.dsl.probes.alternatives import Loadable
    from pyebpf.explained import Explanation
    from pyebpf.spec.target import Target
else:
    # The compiler and numpy, which a start does not wait for.
    explained = lazy("pyebpf.explained")
    live = lazy("pyebpf.live")


class Shown(Streams):
    """What is shown of a session: its programs, and its views while the kernel runs."""

    links: Links
    _options: Mapping[Any, Any]

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
            of other maps a ``Table``, the greatest value first; of a ``Global`` its value; of
            ``Events`` the last 1,000 records, ``(n,)``, or a ``Batch`` of records of several types,
            which nobody else gets then; of a function what it returned.

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

    def explain(self) -> Explanation:
        """Say which hooks are attached and which fields are read there.

        Returns:
            a text, which a notebook draws: each line of Python beside the IR and the instructions
            that it became.
        """
        at = {info.name: self.links.of(info.name) for info in self.compiled.programs}
        attached = {name: [link.hook for link in links] for name, links in at.items()}
        return explained.of_compiled(self.compiled, self._found.probes, self._options, attached)

    def _repr_html_(self) -> str:
        counts = {info.name: len(self.links.of(info.name)) for info in self.compiled.programs}
        return explained.programs_page(self.compiled, counts, repr(self))


def _explain(
    self: Loadable, *, options: Mapping[Any, Any] | None = None, target: Target | None = None
) -> Explanation:
    """Compile a probe, and say which hooks it has and which fields it reads there.

    Needs no privileges.

    Args:
        self: the probe.
        options: values of ``Const`` declarations.
        target: the kernel to compile for; the running one by default.

    Returns:
        a text, which a notebook draws: each line of Python beside the IR and the instructions that
        it became.

    Raises:
        CompileError: what is wrong with the probe.
    """
    return explained.of_probe(self, options, target)


# A probe is a declaration, which the compiler reads: what explains it is above both.
Probe.explain = Alternatives.explain = _explain
