"""What those probes of ``accept/natural`` do that must be attached: seen to this process only.

A check is given ``Run`` of the attached session; what it makes happen has a known answer.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.kernel.natural_checks import Check, Run
from tests.programs import until

LIBC = ctypes.CDLL(None)
GETPPID = 110  # x86-64: the number in the probes

ATTACHED: dict[str, tuple[dict[str, Any], Check]] = {}


def does(number: str, **options: Any) -> Callable[[Check], Check]:
    def keep(check: Check) -> Check:
        assert number not in ATTACHED
        ATTACHED[number] = options, check
        return check

    return keep


@does("060", target_pid=os.getpid())
def _(run: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("127.0.0.9", 4_242))
        one.connect(("127.0.0.9", 4_242))
        one.connect(("127.0.0.8", 53))
    address = ipaddress.IPv4Address
    expected = {(address("127.0.0.9"), 4_242): 2, (address("127.0.0.8"), 53): 1}
    assert run.table("connections") == expected


@does("061", target_pid=os.getpid())
def _(run: Run) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            pass
    listen, connect, *accept, close = run.events("changes")
    assert (listen, connect, close) == ((7, 10, port), (7, 2, port), (10, 7, port))
    # The new socket, which begins as a copy. It changes in a softirq, on a busy machine in a thread
    # of the kernel, which is not the process that the probe looks at.
    assert [row[:2] for row in accept] in ([(10, 3)], [])


@does("062", target_pid=os.getpid())
def _(run: Run) -> None:
    long = "/nowhere/" + "x" * 100
    for path in (long, "/proc/self/no such file"):
        assert not Path(path).exists()
        with suppress(FileNotFoundError):
            os.open(path, os.O_RDONLY)
    found = [row for row in run.events() if row[1] == -2]
    assert (os.getpid(), -2, long.encode()) in found
    assert (os.getpid(), -2, b"/proc/self/no such file") in found


@does("067", parent=os.getpid())
def _(run: Run) -> None:
    with subprocess.Popen(["/bin/true"]) as child:
        child.wait()
    assert (child.pid, os.getpid(), b"/bin/true") in run.events()


@does("070", target_pid=os.getpid())
def _(run: Run) -> None:
    started = threading.Event()
    thread = threading.Thread(target=started.wait)
    thread.start()
    started.set()
    thread.join()
    time.sleep(0.001)
    assert int(run["latency"].counts.sum()) >= 1


@does("071", target_tid=threading.get_native_id())
def _(run: Run) -> None:
    before = time.monotonic_ns()
    time.sleep(0.02)
    passed = time.monotonic_ns() - before
    (away,) = run.table("away").values()
    assert away >= 10_000_000
    assert away <= passed + 1_000_000_000  # and other waits of the check itself


@does("089", target_pid=os.getpid())
def _(run: Run) -> None:
    os.getppid()
    assert run["parent"].value == os.getppid()


@does("090", target_pid=os.getpid())
def _(run: Run) -> None:
    LIBC.syscall(GETPPID)
    until(lambda: run["fired"].value == 5)


@does("091", target_pid=os.getpid())
def _(run: Run) -> None:
    for _ in range(4):
        LIBC.syscall(GETPPID)
    found = run["accounts"][1]
    assert (found.calls, found.last) == (3, GETPPID)


@does("094", target_pid=os.getpid())
def _(run: Run) -> None:
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        os.kill(os.getpid(), signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert run.table("signals")[signal.SIGUSR2, 0] == 1


@does("095", parent=os.getpid())
def _(run: Run) -> None:
    for _ in range(3):
        subprocess.run(["/bin/true"], check=True)
    assert run.cells("counts")[0] >= 3
    until(lambda: run.cells("counts")[1] >= 3)
    assert int(run["lifetime"].counts.sum()) >= 3
