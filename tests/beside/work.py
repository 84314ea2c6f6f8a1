"""Workloads with known answers, each made by a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pyebpf.host.loop import LoopDevice

#: What the process of a workload is called.
COMM = "workload"
READS, WRITES = 23, 31
OPENS, MISSING = 23, 7
RUNS, KILLS, STATS, CALLS = 5, 23, 23, 1000
#: Where paths of workloads are; nobody else has any there.
FOLDER = "/tmp/beside"


def in_child(work: Callable[[], object]) -> int:
    """Do something in a child called :data:`COMM`, and return its number when it has ended."""
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            Path("/proc/self/comm").write_text(COMM, encoding="ascii")
            work()
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(pid, 0)
    if status:
        raise RuntimeError(f"the workload ended with {status}")
    return pid


def opens() -> None:
    """Open files that are there, and some that are not."""
    Path(FOLDER).mkdir(exist_ok=True)
    Path(FOLDER, "there").touch()
    for _ in range(OPENS):
        os.close(os.open(f"{FOLDER}/there", os.O_RDONLY))
    for _ in range(MISSING):
        with suppress(FileNotFoundError):
            os.open(f"{FOLDER}/missing", os.O_RDONLY)


def stats() -> None:
    """Ask about a file."""
    Path(FOLDER).mkdir(exist_ok=True)
    Path(FOLDER, "there").touch()
    for _ in range(STATS):
        Path(FOLDER, "there").stat()


def runs() -> None:
    """Run a program, with arguments."""
    for number in range(RUNS):
        subprocess.run(["/bin/true", "beside", str(number)], check=True)


def kills() -> None:
    """Send a signal that does nothing to a child."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        time.sleep(60)
        os._exit(0)
    time.sleep(0.5)
    for _ in range(KILLS):
        os.kill(child, signal.SIGUSR1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def calls() -> None:
    """Call what few others call."""
    for _ in range(CALLS):
        os.getpriority(os.PRIO_PROCESS, 0)


def requests(disk: LoopDevice) -> None:
    """Read and write, directly."""
    disk.read(READS, 16 << 10)
    disk.write(WRITES, 4 << 10)
