"""Run in a network namespace of its own: packets that nobody wants, and one that nobody answers.

Each way of the sources that see them is tried.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.session import Session
from tests.kernel.test_sources import TIMES, mine, on_again, on_drop, only_way, seen, wanted
from tests.programs import until

_PATIENCE_S = 20


def main() -> None:
    """Say what each way of two sources has seen, or why there is no such way here."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for source, work in ((on_drop, _dropped), (on_again, _sent_again)):
        for number in range(len(source.ways)):
            _say(source, number, work)


def _say(source: Alternatives, number: int, work: Callable[[Session], str]) -> None:
    try:
        session = only_way(source, number)
    except pytest.skip.Exception as reason:
        print(f"{source.name} {number} no: {reason}")
        return
    with session:
        print(f"{source.name} {number} {work(session)}")


def _dropped(session: Session) -> str:
    counts = session[seen].view()
    with (
        socket.socket(type=socket.SOCK_DGRAM) as sender,
        socket.socket(type=socket.SOCK_DGRAM) as one,
    ):
        one.bind(("127.0.0.1", 0))
        nobody = one.getsockname()
        one.close()
        session[mine].value, session[wanted].value = os.getpid(), nobody[1]
        for _ in range(TIMES):
            sender.sendto(b"12345", nobody)
        until(lambda: counts[0] >= TIMES)
        return f"{counts[0]} of {TIMES}"


def _sent_again(session: Session) -> str:
    """Return how many packets were seen to be sent again, and how many the kernel counted."""
    # A second connection does not fit in the queue of a server that accepts none: what begins it is
    # thrown away, and sent again after a second; how soon after that depends on the kernel.
    before = _counted_again()
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as server,
        socket.create_connection(server.getsockname()),
        socket.socket() as client,
    ):
        client.setblocking(False)
        session[wanted].value = server.getsockname()[1]
        client.connect_ex(server.getsockname())
        end = time.monotonic() + _PATIENCE_S
        while _counted_again() == before and time.monotonic() < end:
            time.sleep(0.1)
        client.close()  # now nothing is sent any more
        return f"{session[seen].view()[0]} of {_counted_again() - before}"


def _counted_again() -> int:
    """Return the namespace's own count of segments that TCP sent again."""
    lines = Path("/proc/net/snmp").read_text(encoding="ascii").splitlines()
    names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(values[names.index("RetransSegs")])


if __name__ == "__main__":
    main()
