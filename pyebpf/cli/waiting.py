"""Waiting for time to pass, Ctrl-C or SIGTERM, without losing what is being done meanwhile."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from pyebpf.cli import output
from pyebpf.stopping import Wish

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.cli.command import Command
    from pyebpf.session import Session

#: How long a signal, a key or what is done meanwhile may wait, in seconds: a signal that comes just
#: before a system call sleeps is not seen before it returns.
SLICE = 0.2
FOREVER = float("inf")


class Stopped(KeyboardInterrupt):
    """Somebody does not want to wait until the end is orderly."""


class Patience(Wish):
    """A wish to end that cuts waiting short. A second one ends at once.

    Attributes:
        nap: waits so many seconds at most; True if there is something to do before the time.
        tell: takes each line that probes print.
    """

    nap: Callable[[float], bool | None] = staticmethod(time.sleep)
    tell: Callable[[str], object] = staticmethod(output.write)

    def __init__(self) -> None:
        super().__init__()
        self._sleeping = False

    def end_with(self, command: Command) -> None:
        """Take the end of a command for a wish to end, the first if there is none yet."""

        def ended(*_: object) -> None:
            if not self.is_over and command.is_over():
                self.wish()

        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, ended)

    def wish(self) -> None:
        """Note that somebody wants to end.

        Raises:
            Stopped: it was noted already.
            KeyboardInterrupt: it was being waited.
        """
        if self.is_over:
            raise Stopped
        self.is_over = True
        if self._sleeping:
            self._sleeping = False
            raise KeyboardInterrupt

    def end(self) -> None:
        """Take this for a wish to end, while nothing waits."""
        self.is_over = True

    def wait(self, session: Session, end: float) -> None:
        """Wait until ``end`` of the monotonic clock, a wish to end, or what ``nap`` finds.

        Meanwhile print what probes print.

        Raises:
            OutputError: nobody takes what they print.
        """
        if session.compiled.prints:
            self._print_until(session, end)
            return
        try:
            self._sleeping = True
            while not self.is_over and (left := end - time.monotonic()) > 0:
                if self.nap(min(left, SLICE)):
                    break
            self._sleeping = False  # inside, for a signal may come until here
        except Stopped:
            raise
        except KeyboardInterrupt:
            return

    def finish(self, session: Session) -> None:
        """Detach the probes, and print what they printed until then."""
        session.detach()
        if session.compiled.prints:
            for line in session.lines(0):
                self.tell(line)

    def _print_until(self, session: Session, end: float) -> None:
        # Never interrupted between taking a line out of the buffer and writing it.
        while not self.is_over and (left := end - time.monotonic()) > 0:
            for line in session.lines(min(left, SLICE)):
                self.tell(line)
