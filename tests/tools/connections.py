"""TCP connections over the loopback device, of which everything is known. Children make them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.programs import until

V4, V6 = socket.AF_INET, socket.AF_INET6
LOCAL = {V4: "127.0.0.1", V6: "::1"}
TIMES = 23
#: A connection for each number, of both families in turn.
FAMILIES = [(V4, V6)[number % 2] for number in range(TIMES)]
_GONE = {"06", "0A"}  # TIME_WAIT, LISTEN: of /proc/net/tcp
_PATIENCE_S = 60

#: What both ends of a connection do: the client's and the server's socket.
Talk = Callable[[socket.socket, socket.socket], None]


class Made(NamedTuple):
    """One connection.

    Attributes:
        version: of its protocol: 4 or 6.
        address: both of its addresses.
        server, client: its ports.
    """

    version: int
    address: str
    server: int
    client: int


def connection(family: int, talk: Talk | None = None) -> Made:
    """Connect to a server that is gone afterwards.

    Args:
        family: of both sockets.
        talk: gets the client and the server's end, and may close them.
    """
    with socket.create_server((LOCAL[family], 0), family=family) as server:
        client = socket.create_connection(server.getsockname()[:2])
        peer, (address, port, *_) = server.accept()
        made = Made(4 if family == V4 else 6, address, server.getsockname()[1], port)
        for one in (client, peer):
            one.settimeout(_PATIENCE_S)
        if talk is not None:
            talk(client, peer)
        peer.close()  # the server closes first, if nobody has
        client.close()
        until(lambda: has_ended(made))
    return made


def connections() -> list[Made]:
    """Make all of them."""
    return [connection(family) for family in FAMILIES]


def has_ended(made: Made) -> bool:
    """Tell whether both sockets of a connection have closed; TIME_WAIT is no socket any more."""
    ports = {f"{made.server:04X}", f"{made.client:04X}"}
    for name in ("tcp", "tcp6"):
        path = Path("/proc/net") / name
        for line in path.read_text(encoding="ascii").splitlines()[1:] if path.exists() else []:
            _, local, _, state, *_ = line.split()
            if local.rpartition(":")[2] in ports and state not in _GONE:
                return False
    return True
