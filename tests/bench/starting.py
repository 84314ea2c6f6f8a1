"""Programs from their start to the line that says that their probes are attached."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

#: Nothing is judged by it: it ends a run that hangs, in an emulator too. Seconds.
PATIENCE = 300.0
#: How long a program that was told to end may be silent before it is told again. Seconds.
IMPATIENCE = 5.0
#: Where programs start, so that an uninstalled checkout is found too.
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, eq=False)
class Contestant:
    """A program to start.

    Attributes:
        name: in the report.
        command: what to run.
        marker: what its line begins with that says that it is ready.
        environment: all of it; nothing of ours gets in.
        before: what is done before each start, outside of the time.
    """

    name: str
    command: Sequence[str]
    marker: bytes = b"attached"
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None


@dataclass(frozen=True, eq=False)
class Peer(Contestant):
    """A program of somebody else's."""


def environment(cache: Path) -> dict[str, str]:
    """Return what a user's shell has: above all, nothing that keeps Python from .pyc files."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "TERM": "dumb", "PYEBPF_CACHE_DIR": str(cache)}


class Started(NamedTuple):
    """What a start took, up to the marker: seconds, seconds of CPU, bytes at most in memory."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


class Running:
    """A program that said that it is ready."""

    def __init__(self, contestant: Contestant, process: subprocess.Popen[bytes], terminal: int):
        self.name = contestant.name
        self._process = process
        self._terminal = terminal
        self._text = b""

    def wait_for(self, marker: bytes) -> None:
        end = time.monotonic() + PATIENCE
        while marker not in self._text:
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, end - time.monotonic()))
            if not ready or not self._read():
                raise RuntimeError(f"{self.name} did not say {marker!r}: {self._text!r}")

    def _read(self) -> bool:
        try:
            chunk = os.read(self._terminal, 1 << 16)
        except OSError:  # EIO: nobody holds the other side
            return False
        self._text += chunk
        return bool(chunk)

    def cpu_s(self) -> float:
        # clock_getcpuclockid(3): MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of the kernel.
        return time.clock_gettime(~self._process.pid << 3 | 2)

    def peak_bytes(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        (kilobytes,) = (line.split()[1] for line in status.splitlines() if line[:6] == "VmHWM:")
        return int(kilobytes) * 1024

    def settled_bytes(self) -> int:
        """Return the peak once it waits, for what it imports or frees after it is ready."""
        end = time.monotonic() + PATIENCE
        quiet = 0
        while quiet < 5 and time.monotonic() < end:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
            quiet = quiet + 1 if stat.rpartition(")")[2].split()[0] == "S" else 0
            time.sleep(0.02)
        return self.peak_bytes()

    def finish(self) -> str:
        """End it as Ctrl-C does, and as the end of its input does; return all that it wrote."""
        self._process.send_signal(signal.SIGINT)
        if self._process.stdin:
            self._process.stdin.close()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            # A signal just before Python goes to sleep does not wake it: ask again.
            if not select.select([self._terminal], [], [], IMPATIENCE)[0]:
                self._process.send_signal(signal.SIGINT)
            elif not self._read():
                break
        self._process.wait(PATIENCE)
        return self._text.decode(errors="replace").replace("\r\n", "\n")

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(PATIENCE)
        os.close(self._terminal)


@contextmanager
def started(contestant: Contestant) -> Iterator[tuple[Running, Started]]:
    """Start a program and wait until it is ready.

    It writes to a terminal, so that no program holds its line back in a buffer.
    """
    contestant.before()
    with tempfile.TemporaryFile() as errors:
        running, begin = _spawn(contestant, errors)
        try:
            try:
                running.wait_for(contestant.marker)
            except RuntimeError as err:
                errors.seek(0)
                raise RuntimeError(f"{err}\n{errors.read().decode(errors='replace')}") from None
            wall = time.perf_counter() - begin
            yield running, Started(wall, running.cpu_s(), running.peak_bytes())
        finally:
            running.close()


def _spawn(contestant: Contestant, errors: IO[bytes]) -> tuple[Running, float]:
    terminal, other_side = pty.openpty()
    try:
        begin = time.perf_counter()
        process = subprocess.Popen(
            contestant.command,
            stdin=subprocess.PIPE,
            stdout=other_side,
            stderr=errors,
            env=dict(contestant.environment),
            cwd=ROOT,
        )
    except BaseException:
        os.close(terminal)
        raise
    finally:
        os.close(other_side)
    return Running(contestant, process, terminal), begin
