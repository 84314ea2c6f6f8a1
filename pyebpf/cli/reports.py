"""The reports of one run of a tool: when they are made, how much of them is shown, and how."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from pyebpf.cli import output
from pyebpf.cli.layout import Layout, Most, Screen, largest
from pyebpf.cli.output import Losses
from pyebpf.cli.waiting import FOREVER, SLICE
from pyebpf.dsl.constants import value_of
from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from pyebpf.cli.live import Live
    from pyebpf.cli.options import Choice
    from pyebpf.cli.waiting import Patience
    from pyebpf.session import Session


class Plan(Frozen):
    """What a tool says of its reports; the words are those of ``Tool``."""

    make: Callable[[Any], Any]
    layout: Layout
    top: Any
    most: Most
    meanwhile: Callable[[Any], object] | None
    interval_s: float | None
    times: int | None


class Reports:
    """Makes the reports of a run, and prints them.

    Args:
        plan: what the tool says of them.
        session: what they are of.
        choice: what the command line says.
    """

    def __init__(self, plan: Plan, session: Session, choice: Choice) -> None:
        self._plan, self._session, self._choice = plan, session, choice
        self._limit: int = choice.frame.get("top") or value_of(plan.top, choice.consts) or 0
        self._live: Live | None = None

    @property
    def _is_plain(self) -> bool:
        return not self._choice.frame.keys() & {"json", "csv"}

    @property
    def _is_drawn(self) -> bool:
        return self._is_plain and "draw" in self._choice.frame

    def once(self) -> None:
        """Print a report of what there is now."""
        self._teller(lead="")(self._plan.make(self._session))

    def run(self, patience: Patience, begin: float, tell: Callable[[Losses], None]) -> None:
        """Print one for each interval, as many as are asked for.

        Args:
            patience: waits.
            begin: when tracing began, of the monotonic clock.
            tell: says what was lost.
        """
        if self._is_plain and not self._is_drawn:
            output.write(self._plan.layout.begin())
        self._live = self._screen(patience)
        with self._live or nullcontext():
            self._each(patience, begin, tell)

    def _each(self, patience: Patience, begin: float, tell: Callable[[Losses], None]) -> None:
        choice = self._choice
        interval = choice.interval_s or self._plan.interval_s or FOREVER
        end = begin + choice.frame.get("duration", FOREVER)
        following, left, losses = begin, choice.times or self._plan.times or FOREVER, Losses()
        report = self._teller(self._plan.layout.lead)
        while True:
            # From one begin to the next: no drift, and no hurry after a pause.
            following = max(following + interval, time.monotonic())
            self._wait(patience, following, end)
            left -= 1
            is_last = patience.is_over or left < 1 or time.monotonic() >= end
            if is_last:
                patience.finish(self._session)  # what comes during the report belongs to nobody
            report(self._plan.make(self._session))
            tell(losses)
            if is_last:
                return

    def _wait(self, patience: Patience, following: float, end: float) -> None:
        """Wait until the next report is due, or the end; a screen that stands still is never due.

        Args:
            patience: waits.
            following: when a report is due, of the monotonic clock.
            end: when tracing ends.
        """
        live = self._live
        turns = [turn for turn in (self._plan.meanwhile, live.obey if live else None) if turn]
        if not turns:
            patience.wait(self._session, min(following, end))
            return
        while not patience.is_over and (now := time.monotonic()) < end:
            is_due = now >= following
            if is_due and not (live and live.is_paused):
                return
            patience.wait(self._session, min(now + SLICE, end, FOREVER if is_due else following))
            for turn in turns:
                turn(self._session)

    def _teller(self, lead: str) -> Callable[[Any], object]:
        """Return what tells a result: prints it, or hands it over to be drawn."""
        if not self._is_drawn:
            text = self._live.text if self._live else self._text(lead)
            return lambda result: output.write(text(result))
        draw: Callable[[Any, Callable[[Any], str]], object] = self._choice.frame["draw"]
        laid_out = partial(self._plan.layout.text, self._session)
        limit, most = self._limit, self._plan.most
        return lambda result: draw(largest(result, limit, most) if limit else result, laid_out)

    def _text(self, lead: str) -> Callable[[Any], str]:
        """Return what makes text of a result."""
        frame, layout, session = self._choice.frame, self._plan.layout, self._session

        def laid_out(result: Any) -> str:
            time_of_day = f"{output.clock()}\n" if "timestamp" in frame else ""
            return f"{lead}{time_of_day}{layout.text(session, result)}"

        text = output.CsvRows().text if "csv" in frame else laid_out
        text = output.json_lines if "json" in frame else text
        limit, most = self._limit, self._plan.most
        return (lambda result: text(largest(result, limit, most))) if limit else text

    def _screen(self, patience: Patience) -> Live | None:
        """Return a screen that obeys keys, if this is one and there is somebody to press them."""
        layout = self._plan.layout
        # A command that is run has the terminal for itself.
        if not isinstance(layout, Screen) or not self._is_plain or "exec" in self._choice.frame:
            return None
        if self._is_drawn or self._session.compiled.prints or not layout.clears(self._session):
            return None
        module: Any = importlib.import_module("pyebpf.cli.live")
        if not module.Live.is_possible():
            return None
        live: Live = module.Live(layout, self._session, self._limit, patience.end)
        patience.nap = live.nap
        return live
