"""Children that do a known work when they are told to: tools trace them by their numbers."""

from __future__ import annotations

import json
import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.programs import Done, running

#: The command name of the children.
COMM = "known-work"


class Child:
    """A forked process that waits.

    Attributes:
        pid: its number.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        asked, self._go = os.pipe()
        self._told, answer = os.pipe()
        with warnings.catch_warnings():
            # Libraries have threads; the child uses none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if not self.pid:
            try:
                Path("/proc/self/comm").write_text(COMM, encoding="ascii")
                os.read(asked, 1)
                os.write(answer, json.dumps(work()).encode())
            except BaseException:  # noqa: BLE001 - whatever it is, the parent says that it failed
                traceback.print_exc()
            os._exit(0)
        os.close(asked)
        os.close(answer)

    def go(self) -> Any:
        """Let it work, wait for its end, and return what the work returned."""
        os.write(self._go, b"x")
        with os.fdopen(self._told, "rb") as told:
            said = told.read()
        self._end()
        return json.loads(said)

    def _end(self) -> None:
        os.close(self._go)
        os.waitpid(self.pid, 0)
        self.pid = 0

    def kill(self) -> None:
        """End it if it has not ended."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.close(self._told)
            self._end()


@contextmanager
def waiting(work: Callable[[], Any]) -> Iterator[Child]:
    """Have a child; it is gone at the end, whatever happened."""
    child = Child(work)
    try:
        yield child
    finally:
        child.kill()


def traced(work: Callable[[], Any], tool: str, by: str, *flags: str) -> tuple[int, Any, Done]:
    """Trace a child's work with a tool until Ctrl-C.

    Args:
        work: what the child does.
        tool: its name.
        by: the flag that takes the number of the child.
        flags: others.

    Returns:
        the number of the child, what the work returned, what the tool left.
    """
    with waiting(work) as child:
        pid = child.pid
        with running("-m", f"pyebpf.tools.{tool}", by, str(pid), *flags) as program:
            header = program.wait_for("COMM")
            returned = child.go()
            done = program.interrupt()
    assert (done.code, done.err) == (0, "")
    return pid, returned, done._replace(out=header + done.out)
