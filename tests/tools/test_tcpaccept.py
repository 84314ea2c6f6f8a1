"""tcpaccept on a child that accepts 23 connections."""

from __future__ import annotations

import re
import socket

import pytest

from tests.programs import run
from tests.tools.children import COMM, as_json, traced
from tests.tools.connections import TIMES, V4, V6, Made, connection, connections

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]


def line_of(pid: int, made: Made) -> str:
    rest = f"{made.address:<16} {made.client:<5} {made.address:<16} {made.server}"
    return f"{pid:<7} {COMM:<12} {made.version:<2} {rest}"


def test_every_accepted_connection_is_a_line() -> None:
    pid, made, done = traced(connections, "tcpaccept", "-p")
    head, *lines = done.out.splitlines()
    assert head.split() == ["PID", "COMM", "IP", "RADDR", "RPORT", "LADDR", "LPORT"]
    assert len(lines) == TIMES
    assert lines == [line_of(pid, Made(*one)) for one in made]


def others() -> list[Made]:
    """Do what is no accepted connection of TCP, then accept two."""
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("")  # a name that the kernel chooses
        server.listen()
        client.connect(server.getsockname())
        server.accept()[0].close()
    with socket.create_server(("127.0.0.1", 0)) as empty:
        empty.setblocking(False)
        for _ in range(3):
            with pytest.raises(BlockingIOError):
                empty.accept()
        with socket.create_connection(empty.getsockname()):
            pass  # never accepted
    return [connection(V4), connection(V6)]


@pytest.mark.thorough
def test_what_is_none_is_no_line() -> None:
    pid, made, done = traced(others, "tcpaccept", "-p", "-T", "-t")
    head, *lines = done.out.splitlines()
    assert head.split()[:2] == ["TIME", "TIME(s)"]
    for line, one in zip(lines, made, strict=True):
        found = re.fullmatch(r"\d\d:\d\d:\d\d +\d+\.\d{3} +(.+)", line)
        assert found, line
        assert found[1] == line_of(pid, Made(*one))


def mapped() -> list[Made]:
    """Accept a connection of IPv4 by a socket that speaks both."""
    with socket.create_server(("", 0), family=V6, dualstack_ipv6=True) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, server.accept()[0]:
            return [Made(4, "127.0.0.1", port, client.getsockname()[1])]


@pytest.mark.thorough
def test_ipv4_by_a_socket_of_ipv6_is_ipv4() -> None:
    pid, made, done = traced(mapped, "tcpaccept", "-p", "-4")
    assert done.out.splitlines()[1:] == [line_of(pid, Made(*made[0]))]


@pytest.mark.thorough
def test_one_version_as_json() -> None:
    rows = as_json(connections, "tcpaccept", 1, "-p", "-6")
    assert len(rows) == TIMES // 2
    assert {(row["ip"], row["raddr"], row["laddr"], row["comm"]) for row in rows} == {
        (6, "::1", "::1", COMM)
    }


def with_ports(ports: list[int]) -> None:
    """Accept a connection at each port."""
    for port in ports:
        with (
            socket.create_server(("127.0.0.1", port)) as server,
            socket.create_connection(("127.0.0.1", port)),
            server.accept()[0],
        ):
            pass


@pytest.mark.thorough
def test_some_ports_only() -> None:
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1], other.getsockname()[1]]
    rows = as_json(lambda: with_ports(ports), "tcpaccept", 1, "-p", "-P", f"1,{ports[1]}")
    assert [row["lport"] for row in rows] == [ports[1]]


@pytest.mark.thorough
def test_command_line() -> None:
    for words in (("-4", "-6"), ("-P", "http"), ("-P", "70000"), ("5",)):
        done = run("-m", "pyebpf.tools.tcpaccept", *words)
        assert (done.code, done.out) == (2, "")
    done = run("-m", "pyebpf.tools.tcpaccept", "--help")
    for pair in ("-T, --time", "-t, --timestamp", "-p, --pid", "-P, --port", "-4, --ipv4",
                 "-6, --ipv6", "--cgroupmap", "--mntnsmap"):  # fmt: skip
        assert pair in done.out
