"""Children that do a known work when they are told to: tools trace them by their numbers."""

from __future__ import annotations

import json
import os
import re
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
        lost: how often it has lost its CPU, by its own will or not, since it was told to work. It
            may be that its end is counted, and that it is not.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self.lost = self._before = 0
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

    def begin(self) -> None:
        """Let it work."""
        self._before = self._switches()
        os.write(self._go, b"x")

    def go(self) -> Any:
        """Let it work, wait for its end, and return what the work returned."""
        self.begin()
        with os.fdopen(self._told, "rb") as told:
            said = told.read()
        self._end()
        return json.loads(said)

    def _end(self) -> None:
        os.close(self._go)
        _, _, usage = os.wait4(self.pid, 0)
        self.lost = usage.ru_nvcsw + usage.ru_nivcsw - self._before
        self.pid = 0

    def _switches(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return sum(map(int, re.findall(r"voluntary_ctxt_switches:\s+(\d+)", status)))

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
        returned, done = followed(child, tool, by, *flags)
    return pid, returned, done


def followed(
    child: Child, tool: str, by: str, *flags: str, begins: str = "COMM"
) -> tuple[Any, Done]:
    """Trace what a child does that waits: as :func:`traced`.

    Args:
        child: which.
        tool, by, flags: as there.
        begins: what the tool prints when it traces; nothing if it prints nothing.

    Returns:
        what the work returned, what the tool left.
    """
    with running("-m", f"pyebpf.tools.{tool}", by, str(child.pid), *flags) as program:
        header = program.wait_for(begins) if begins else program.wait_for_links(1) or ""
        returned = child.go()
        done = program.interrupt()
    assert (done.code, done.err) == (0, "")
    return returned, done._replace(out=header + done.out)


def as_json(work: Callable[[], Any], tool: str, links: int, by: str, *flags: str) -> list[Any]:
    """Trace a child's work with ``-j``, and return what each line says.

    Args:
        work: what the child does.
        tool: its name.
        links: how many probes it attaches: nothing else says when it traces.
        by, flags: as of :func:`traced`.
    """
    name = f"pyebpf.tools.{tool}"
    with waiting(work) as child, running("-m", name, "-j", by, str(child.pid), *flags) as program:
        program.wait_for_links(links)
        child.go()
        done = program.interrupt()
    assert (done.code, done.err) == (0, "")
    return [json.loads(line) for line in done.out.splitlines()]


@contextmanager
def called(name: bytes) -> Iterator[None]:
    """Give this thread another name for a while."""
    file = Path("/proc/thread-self/comm")
    before = file.read_bytes()
    file.write_bytes(name)
    try:
        yield
    finally:
        file.write_bytes(before.rstrip(b"\n"))
