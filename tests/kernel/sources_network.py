"""Run in a network namespace of its own: packets that nobody wants, and one that nobody answers."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from pyebpf import load
from tests.kernel.test_sources import TIMES, mine, on_again, on_drop, seen, wanted

_PATIENCE_S = 20


def main() -> None:
    """Say what was seen."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    print(f"dropped {_dropped()}")
    print("sent again {}, of {}".format(*_sent_again()))


def _dropped() -> int:
    with load(on_drop) as session, socket.socket(type=socket.SOCK_DGRAM) as sender:
        session[mine].value = os.getpid()
        for _ in range(TIMES):
            sender.sendto(b"12345", ("127.0.0.1", 9))
        return int(session[seen].view()[0])


def _sent_again() -> tuple[int, int]:
    """Return how many packets were seen to be sent again, and how many the kernel counted."""
    # A second connection does not fit in the queue of a server that accepts none: what begins it is
    # thrown away, and sent again after a second; how soon after that depends on the kernel.
    before = _counted_again()
    with (
        load(on_again) as session,
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
        return int(session[seen].view()[0]), _counted_again() - before


def _counted_again() -> int:
    """Return the namespace's own count of segments that TCP sent again."""
    lines = Path("/proc/net/snmp").read_text(encoding="ascii").splitlines()
    names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(values[names.index("RetransSegs")])


if __name__ == "__main__":
    main()
