"""The ends of connections: IPv4, IPv6, IPv4 by sockets of IPv6, also when they have closed."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from pyebpf import Const, Events, Ptr, i32, load, record, rows
from pyebpf.kernel import sock
from pyebpf.lib import net, tcp
from pyebpf.lib.tcp import Ends, ends_of, is_chosen, is_tcp

pytestmark = [pytest.mark.kernel, pytest.mark.exact]

server_port = Const(0, "--server-port", help="the port of the test's server")


@record
class Change:
    """A socket has another state."""

    ends: Ends
    old: i32
    new: i32


changes = Events[Change](pages=4)


@net.state_changed()
def on_state(sk: Ptr[sock], old: i32, new: i32) -> None:
    """Send the ends of sockets of the test's server, and of those connected to it."""
    ends = ends_of(sk)
    if is_tcp(sk) and server_port in (ends.lport, ends.rport) and is_chosen(ends):
        changes.emit(Change(ends=ends, old=old, new=new))


def connected(family: int, address: str, to: str, **options: bool) -> tuple[list[Any], int, int]:
    """Connect once and close; returns what was seen, the port of the server and of the client."""
    with socket.socket(family) as server:
        server.bind((address, 0))
        port = server.getsockname()[1]
        chosen = {getattr(tcp, name): value for name, value in options.items()}
        with load(on_state, options={server_port: port, **chosen}) as session:
            server.listen()
            with socket.create_connection((to, port)) as client:
                client_port = client.getsockname()[1]
                server.accept()[0].close()
            server.close()
            session.detach()
            return list(rows(Change, session[changes].read())), port, client_port


@pytest.mark.parametrize(
    ("family", "address", "to"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::ffff:127.0.0.1", "127.0.0.1"),
    ],
)
def test_ends_and_states_of_one_connection(family: int, address: str, to: str) -> None:
    found, port, client_port = connected(family, address, to)
    by_client = [row for row in found if row.ends.rport == port]
    assert [(row.old, row.new) for row in by_client] == [
        (tcp.CLOSE, tcp.SYN_SENT), (tcp.SYN_SENT, tcp.ESTABLISHED),
        (tcp.ESTABLISHED, tcp.CLOSE_WAIT), (tcp.CLOSE_WAIT, tcp.LAST_ACK),
        (tcp.LAST_ACK, tcp.CLOSE),
    ]  # fmt: skip
    assert [row.ends.lport for row in by_client] == [0] + 4 * [client_port]
    for row in by_client:
        there = tcp.plain(row.ends.raddr)
        assert (there, row.ends.version) == (ip_address(to), ip_address(to).version)
        assert tcp.plain(row.ends.laddr) == ip_address(to)
    ends = [row for row in found if row.ends.lport == port and row.new == tcp.CLOSE]
    assert [row.ends.rport for row in ends] == [client_port, 0]  # the connection, the server


@pytest.mark.parametrize(("option", "is_seen"), [("only_v4", True), ("only_v6", False)])
def test_one_version_only(option: str, is_seen: bool) -> None:
    found, _, _ = connected(socket.AF_INET, "127.0.0.1", "127.0.0.1", **{option: True})
    assert bool(found) == is_seen


def test_ports_are_numbers_up_to_65535() -> None:
    assert tcp.ports("80,65535") == (80, 65535)
    for text in ("http", "65536", "-1", "80,", ""):
        with pytest.raises(ValueError, match="is no port"):
            tcp.ports(text)
