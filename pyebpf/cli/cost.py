"""What a tool says of its own cost: ``--cost``, and ``--max-overhead``, which ends it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyebpf.cli import output
from pyebpf.loading import load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyebpf.cli.options import Choice
    from pyebpf.cost import Exceeded
    from pyebpf.dsl.probes.alternatives import Loadable
    from pyebpf.session import Session


@contextmanager
def measured(
    tool: str, probes: Sequence[Loadable], choice: Choice, end: Callable[[], None] | None
) -> Iterator[Session]:
    """Load probes and measure them from their first hit; afterwards say what they cost.

    That is on standard error, in the form that standard output has: what a tool reports stays what
    it is.

    Args:
        tool: what says so.
        probes: what to load.
        choice: what the command line asks for.
        end: ends the run, when the probes took too much and are detached; called in a thread. None
            if the main thread can only be interrupted: as that may ignore it, it is said at once.
    """
    frame = choice.frame

    def exceed(found: Exceeded) -> None:
        if end is None:
            _complain(tool, found)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            end()

    with load(*probes, options=choice.consts, measure_cost="cost" in frame) as session:
        if "max_overhead" in frame:
            session.limit_overhead(frame["max_overhead"], exceed)
        yield session
        session.detach()
        if session.exceeded and end is not None:
            _complain(tool, session.exceeded)
        if "cost" in frame:
            _write(_text(session, frame))


def _complain(tool: str, exceeded: Exceeded) -> None:
    output.complain(tool, f"{exceeded} (--max-overhead)")


def _text(session: Session, frame: Mapping[str, Any]) -> str:
    cost = session.cost()
    if "json" in frame:
        return output.json_lines(cost)
    if "csv" in frame:
        return output.CsvRows().text(cost)
    return f"\n{cost}\n"


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return  # nobody is there to tell
