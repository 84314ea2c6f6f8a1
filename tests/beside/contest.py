"""Running tools side by side, and reading what they print."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.beside.work import Worker

ROOT = Path(__file__).resolve().parents[2]
#: How long a tool may take to begin, emulated; to end after each of so many signals; how long what
#: it prints may be under way. Seconds.
_BEGIN_S, _END_S, _UNDER_WAY_S = 240, 10, 3
_ENDINGS = 6
#: In a command, for the number of the process whose work is traced.
PID = "{pid}"
#: What is counted: how often each thing was seen.
Counts = Mapping[str, int]


@dataclass
class Contestant:
    """A tool.

    Attributes:
        name: whose it is.
        command: what to run; :data:`PID` in it stands for a number.
        marker: what it prints once its probes are attached; nothing if it says nothing then: the
            others take longer.
        read: counts what it printed about the workload.
        environment: what it needs besides ours.
        samples: whether it says so too early, and has begun once it has a perf event.
    """

    name: str
    command: Sequence[str]
    marker: str
    read: Callable[[str], Counts]
    environment: Mapping[str, str] = field(default_factory=dict)
    samples: bool = False


class Running:
    """A tool that runs, writing to a terminal, so that it holds no line back."""

    def __init__(self, contestant: Contestant, pid: int) -> None:
        self.contestant = contestant
        self._text = b""
        self._terminal, other_side = pty.openpty()
        command = [word.replace(PID, str(pid)) for word in contestant.command]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=other_side, stderr=other_side,
            cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200",
                           "TERM": "dumb", **contestant.environment},
        )  # fmt: skip
        os.close(other_side)
        # Read all the time: one that cannot write does not take its events out either.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # nobody holds the other side any more
            while chunk := os.read(self._terminal, 1 << 16):
                self._text += chunk

    def is_ready(self) -> bool:
        """Wait until it says so; False if it ends before."""
        end = time.monotonic() + _BEGIN_S
        while not self._has_begun():
            if time.monotonic() > end or self._process.poll() is not None:
                return False
            time.sleep(0.1)
        return True

    def _has_begun(self) -> bool:
        if self.contestant.samples and not self._has_perf_event():
            return False
        return self.contestant.marker.encode() in self._text

    def _has_perf_event(self) -> bool:
        with suppress(FileNotFoundError):  # one was closed, or all of them
            held = Path(f"/proc/{self._process.pid}/fd").iterdir()
            return any("perf_event" in str(file.readlink()) for file in held)
        return False

    def end(self) -> str:
        """End it as Ctrl-C does, and return all that it printed."""
        # Again and again: a signal may come just before a tool goes to sleep.
        for _ in range(_ENDINGS):
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)
            self._reader.join(_END_S)
            if not self._reader.is_alive():
                break
        self.kill()
        return self._text.decode(errors="replace").replace("\r\n", "\n")

    def kill(self) -> None:
        """End it at once."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1


@dataclass
class Seen:
    """What a tool said of a workload.

    Attributes:
        name: whose it is.
        counts: what it counted; None if it did not run.
        why: it did not run, in its own words.
    """

    name: str
    counts: Counts | None
    why: str = ""


def side_by_side(contestants: Sequence[Contestant], worker: Worker) -> list[Seen]:
    """Let tools watch a workload together.

    Args:
        contestants: the tools.
        worker: does what they are to see.
    """
    running = [Running(one, worker.pid) for one in contestants]
    try:
        ready = [one.is_ready() for one in running]
        time.sleep(_UNDER_WAY_S)
        worker.go()
        time.sleep(_UNDER_WAY_S)
        return [_seen(one, is_ready=good) for one, good in zip(running, ready, strict=True)]
    finally:
        for one in running:
            one.kill()


def _seen(one: Running, *, is_ready: bool) -> Seen:
    text = one.end()
    print(f"-- {one.contestant.name}: {' '.join(one.contestant.command)}\n{text}", file=sys.stderr)
    if not is_ready:
        said = [line.strip() for line in text.splitlines() if line.strip()]
        return Seen(one.contestant.name, None, (said or ["said nothing"])[-1])
    return Seen(one.contestant.name, one.contestant.read(text))
