"""Programs run as a user runs them: a process of their own, waited for by what it prints."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.forked import FORKED, become

ROOT = Path(__file__).resolve().parent.parent
BIOLATENCY = ("-m", "pyebpf.tools.biolatency")
_PATIENCE_S = 120  # for a machine that is busy; nothing waits so long unless it hangs

_PR_CAPBSET_DROP = 24  # include/uapi/linux/prctl.h


class Done(NamedTuple):
    """What a program left."""

    code: int
    out: str
    err: str


class Program:
    """A running ``python args…``."""

    def __init__(self, *args: str) -> None:
        self.process = start(*args)

    def wait_for(self, text: str) -> str:
        """Read lines up to one that contains ``text``; all of them are returned."""
        assert self.process.stdout is not None
        seen = ""
        while line := self.process.stdout.readline().decode():
            seen += line
            if text in line:
                return seen
        raise AssertionError(f"ended without {text!r}: {seen}{self.end().err}")

    def wait_for_links(self, count: int) -> None:
        """Wait until it has attached so many probes: with -j nothing says when tracing begins."""
        while not attached(self.process.pid, count):
            assert self.process.poll() is None, self.end()
            time.sleep(0.01)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> Done:
        """Wait for the end, and return what is still to be read."""
        out, err = self.process.communicate(timeout=_PATIENCE_S)
        return Done(self.process.returncode, out.decode(), err.decode())

    def interrupt(self) -> Done:
        """Hit Ctrl-C, as far as the program can tell."""
        self.send(signal.SIGINT)
        return self.end()


def attached(pid: int, count: int) -> bool:
    """Tell whether a process holds ``count`` links of tracing programs.

    Before Linux 5.15 perf events, kprobes among them, have programs without links.
    """
    names = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            names.append(str(fd.readlink()))
    links = sum("bpf_link" in name or "bpf-raw-tracepoint" in name for name in names)
    return (links or sum("perf_event" in name for name in names)) >= count


def start(
    *args: str, stdout: int = subprocess.PIPE, prepare: Callable[[], None] | None = None
) -> subprocess.Popen[bytes]:
    """Start ``python args…`` with this checkout's package."""
    if os.environ.get(FORKED) and prepare is None:
        prepare = partial(become, args)
    with warnings.catch_warnings():  # a fork of the tests uses none of their libraries' threads
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(
            [sys.executable, *args],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=stdout,
            stderr=subprocess.PIPE,
            bufsize=0,  # what is read as lines is not read ahead, and communicate() sees the rest
            preexec_fn=prepare,  # noqa: PLW1509 - the tests that use it have no threads
        )


@contextmanager
def running(*args: str) -> Iterator[Program]:
    """Run ``python args…``; it is gone at the end, whatever happened."""
    program = Program(*args)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.communicate()


def run(
    *args: str, stdout: int = subprocess.PIPE, prepare: Callable[[], None] | None = None
) -> Done:
    """Run ``python args…`` to its end."""
    process = start(*args, stdout=stdout, prepare=prepare)
    try:
        out, err = process.communicate(timeout=_PATIENCE_S)
        return Done(process.returncode, (out or b"").decode(), err.decode())
    finally:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread, process or the kernel does."""
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def drop_capabilities() -> None:
    """Make what is executed next as powerless as if nobody had started it."""
    libc = ctypes.CDLL(None)
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def histogram_counts(text: str) -> list[int]:
    """Return the count in each row of the histograms in a text."""
    return [int(count) for count in re.findall(r": (\d+) +\|", text)]


def beside_shell(code: str, folder: Path, *words: str, **environment: str) -> tuple[str, str]:
    """Run code that makes a shell of IPython; return what it printed and complained of.

    Args:
        code: what Python runs.
        folder: where IPython keeps its things.
        words: of a program before Python's.
        environment: variables besides ours.
    """
    done = subprocess.run(
        [*words, sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "IPYTHONDIR": str(folder), "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr
