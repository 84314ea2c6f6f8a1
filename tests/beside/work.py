"""Workloads with known answers, each done by a process of its own.

Each is a context manager: what it needs is there inside of it, and it gives what there is to do.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pty
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pyebpf.host.loop import LoopDevice
from tests.mounts import mounted

#: What is to be done.
Deed = Callable[[], object]
#: Prepares it.
Work = Callable[[], AbstractContextManager[Deed]]

#: What the process of a workload is called.
COMM = "workload"
READS, WRITES = 23, 31
OPENS, MISSING = 23, 7
RUNS, KILLS, STATS, CALLS = 5, 23, 23, 1000
#: Where paths of workloads are; nobody else has any there.
FOLDER = "/tmp/beside"
SLEEPS, SLEEP_S = 20, 0.15
BUSY_S = 5
PAGES, TURNS = 3000, 3
FILE_OPENS, SYNCS, SIZE = 5, 2, 4096
CREATED, SYNCED_WRITES, MADE = 23, 7, 11
DATAGRAMS = 1000
ASKED = {"HOME": 3, "PATH": 5}
#: Options of sockets by the letters of bindsnoop: include/uapi/linux/in.h, asm-generic/socket.h.
BOUND = {"F....": (socket.SOL_IP, 15, 5), "...R.": (socket.SOL_SOCKET, 2, 7)}
QUEUED_S = 5
#: How often connections are made to which address, and how many bytes go through each.
CONNECTED, SENT = {"127.0.0.1": 23, "::1": 7}, 1000


class Ready(NamedTuple):
    """What there is to do, and what its process does while it waits to be told."""

    prepare: Deed
    deed: Deed

    def __call__(self) -> object:
        """Do it."""
        return self.deed()


class Worker:
    """A process called :data:`COMM` that waits until it is told to work.

    Attributes:
        pid: its number.
    """

    def __init__(self, deed: Deed) -> None:
        asked, self._go = os.pipe()
        with warnings.catch_warnings():
            # Libraries have threads; the child uses none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            os.close(self._go)
            with suppress(BaseException):
                Path("/proc/self/comm").write_text(COMM, encoding="ascii")
                if isinstance(deed, Ready):
                    deed.prepare()
                if os.read(asked, 1):
                    deed()
                    os._exit(0)
            os._exit(1)
        os.close(asked)

    def go(self) -> None:
        """Let it work, and wait for its end."""
        os.write(self._go, b"x")
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        if status:
            raise RuntimeError(f"the workload ended with {status}")

    def close(self) -> None:
        """End it, if it has not."""
        os.close(self._go)
        if self.pid:
            os.waitpid(self.pid, 0)


def plain(deed: Deed) -> Work:
    """Return a work that needs nothing."""
    return partial(nullcontext, deed)


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


@contextmanager
def requests() -> Iterator[Deed]:
    """Read and write a disk, directly."""
    with LoopDevice() as disk:

        def deed() -> None:
            disk.read(READS, 16 << 10)
            disk.write(WRITES, 4 << 10)

        yield deed


def _goes_first() -> None:
    """Have nothing go before this process."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def _naps() -> None:
    for _ in range(SLEEPS):
        time.sleep(SLEEP_S)


#: Sleep, and lose the CPU at no other time.
sleeps = Ready(_goes_first, _naps)


def spins() -> None:
    """Have a CPU for a while."""
    while time.process_time() < BUSY_S:
        pass


def crowds() -> None:
    """Let three processes want one CPU for a while: two of them wait."""
    os.sched_setaffinity(0, {0})
    end = time.monotonic() + QUEUED_S
    others = []
    for _ in range(2):
        other = os.fork()
        if other == 0:
            _spin_until(end)
            os._exit(0)
        others.append(other)
    _spin_until(end)
    for other in others:
        os.waitpid(other, 0)


def _spin_until(end: float) -> None:
    while time.monotonic() < end:
        pass


def asks() -> None:
    """Call a function of the C library with two texts, and a system call."""
    getenv = ctypes.CDLL(None).getenv
    for name, times in ASKED.items():
        for _ in range(times):
            getenv(name.encode())
    for _ in range(KILLS):
        os.getpriority(os.PRIO_PROCESS, 0)


def types() -> None:
    """Type lines into a shell."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve("/bin/bash", ["bash", "--norc", "-i"], {"PS1": "beside> ", "TERM": "dumb"})
    for line in (*(f"true beside {number}" for number in range(RUNS)), "exit"):
        said = b""
        while not said.endswith(b"beside> "):
            said += os.read(terminal, 1000)
        os.write(terminal, f"{line}\n".encode())
    with suppress(OSError):  # it has closed its side
        while os.read(terminal, 1000):
            pass
    os.waitpid(pid, 0)


def binds() -> None:
    """Bind sockets that have options."""
    for level, option, times in BOUND.values():
        for _ in range(times):
            with socket.socket() as one:
                one.setsockopt(level, option, 1)
                one.bind(("127.0.0.1", 0))


def sends() -> None:
    """Send datagrams to oneself: for each, the kernel handles what was received."""
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        one.connect(one.getsockname())
        for _ in range(DATAGRAMS):
            one.send(b"x")
            one.recv(1)


def connects() -> None:
    """Make connections to oneself, of both versions, and send something through each."""
    for address, times in CONNECTED.items():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.create_server((address, 0), family=family) as server:
            for _ in range(times):
                with socket.create_connection(server.getsockname()[:2]) as client:
                    accepted, _ = server.accept()
                    with accepted:
                        client.sendall(b"x" * SENT)
                        accepted.recv(SENT, socket.MSG_WAITALL)


def looks_up() -> None:
    """Look up a name that needs no server."""
    for _ in range(STATS):
        socket.getaddrinfo("localhost", None)


def may_be_nice() -> None:
    """Ask for what needs a capability."""
    for _ in range(KILLS):
        os.setpriority(os.PRIO_PROCESS, 0, -5)
        os.setpriority(os.PRIO_PROCESS, 0, 0)


@contextmanager
def _file_system(kind: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder, mounted(kind, Path(folder)) as root:
        yield root


@contextmanager
def file_operations(kind: str) -> Iterator[Deed]:
    """Open, read, write and sync a file of a file system that nobody else uses."""
    with _file_system(kind) as root:
        path = root / "data"
        path.write_bytes(bytes(SIZE))

        def deed() -> None:
            for _ in range(FILE_OPENS - 1):
                os.close(os.open(path, os.O_RDONLY))
            data = os.open(path, os.O_RDWR)
            for _ in range(READS):
                os.pread(data, SIZE, 0)
            for _ in range(WRITES):
                os.pwrite(data, bytes(SIZE), 0)
            for _ in range(SYNCS):
                os.fsync(data)
            os.close(data)

        yield deed


@contextmanager
def changes() -> Iterator[Deed]:
    """Make files and folders, and write at once."""
    with _file_system("ext4") as root:
        path = root / "data"

        def deed() -> None:
            for _ in range(CREATED):
                os.mknod(path)
                path.unlink()
            for number in range(MADE):
                (root / f"folder{number}").mkdir()
            data = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_SYNC)
            for _ in range(SYNCED_WRITES):
                os.write(data, bytes(300))
            for _ in range(SYNCS):
                os.fsync(data)
            os.close(data)

        yield deed


@contextmanager
def cached() -> Iterator[Deed]:
    """Read each page of a file some times, the first time from the disk, and nothing ahead."""
    with _file_system("xfs") as root:
        path = root / "data"
        data = os.open(path, os.O_RDWR | os.O_CREAT)
        os.write(data, bytes(PAGES * mmap.PAGESIZE))
        os.fsync(data)
        os.posix_fadvise(data, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(data)

        def deed() -> None:
            data = os.open(path, os.O_RDONLY | os.O_NOATIME)
            os.posix_fadvise(data, 0, 0, os.POSIX_FADV_RANDOM)
            for _ in range(TURNS):
                for page in range(PAGES):
                    os.pread(data, mmap.PAGESIZE, page * mmap.PAGESIZE)
            os.close(data)

        yield deed
