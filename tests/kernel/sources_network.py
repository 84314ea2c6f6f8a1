"""Run in a network namespace of its own: packets that nobody wants, and one that nobody answers."""

from __future__ import annotations

import os
import socket
import subprocess
import time

from pyebpf import load
from tests.kernel.test_sources import TIMES, mine, on_again, on_drop, seen, wanted


def main() -> None:
    """Say what was seen."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    print(f"dropped {_dropped()}, sent again {_sent_again()}")


def _dropped() -> int:
    with load(on_drop) as session, socket.socket(type=socket.SOCK_DGRAM) as sender:
        session[mine].value = os.getpid()
        for _ in range(TIMES):
            sender.sendto(b"12345", ("127.0.0.1", 9))
        return int(session[seen].view()[0])


def _sent_again() -> int:
    # A second connection does not fit in the queue of a server that accepts none: what begins it is
    # thrown away, and sent again after a second, the next time after three.
    with (
        load(on_again) as session,
        socket.create_server(("127.0.0.1", 0), backlog=0) as server,
        socket.create_connection(server.getsockname()),
        socket.socket() as client,
    ):
        client.setblocking(False)
        session[wanted].value = server.getsockname()[1]
        client.connect_ex(server.getsockname())
        time.sleep(2)
        return int(session[seen].view()[0])


if __name__ == "__main__":
    main()
