"""tcplife on a child with both ends of 23 connections, that carry known numbers of bytes."""

from __future__ import annotations

import json
import socket
import struct
import time
from functools import partial
from typing import Any

import pytest

from tests.programs import run, running, until
from tests.tools.children import COMM, as_json, followed, traced, waiting
from tests.tools.connections import FAMILIES, TIMES, V4, V6, Made, Talk, connection, has_ended

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

SIZES = [(number * 373, number * 1_021 % 7_001) for number in range(TIMES)]


def exchanged(client: socket.socket, peer: socket.socket, up: int, down: int) -> None:
    """Send so much in both directions."""
    for source, target, size in ((client, peer, up), (peer, client, down)):
        source.sendall(bytes(size))
        left = size
        while left:
            left -= len(target.recv(left))


def transfer(number: int, client: socket.socket, peer: socket.socket) -> None:
    """Send data; by turns the server, the client, or both half by half close."""
    exchanged(client, peer, *SIZES[number])
    if number % 3 == 1:
        client.close()
    elif number % 3 == 2:
        client.shutdown(socket.SHUT_WR)
        assert not peer.recv(1)


def transfers() -> list[Made]:
    """Make connections that carry some data."""
    return [connection(family, partial(transfer, n)) for n, family in enumerate(FAMILIES)]


def kilobytes(sent: int) -> str:
    return f"{sent / 1024:.0f}"


def test_both_ends_of_every_connection_are_lines() -> None:
    pid, made, done = traced(transfers, "tcplife", "-p", "-w")
    head, *lines = done.out.splitlines()
    titles = "PID COMM IP LADDR LPORT RADDR RPORT TX_KB RX_KB MS"
    assert head.split() == titles.split()
    wanted = []
    for (version, address, server, client), (up, down) in zip(made, SIZES, strict=True):
        who = [str(pid), COMM, str(version), address]
        sent, received = kilobytes(up), kilobytes(down)
        wanted.append([*who, str(server), address, str(client), received, sent])
        wanted.append([*who, str(client), address, str(server), sent, received])
    assert len(lines) == 2 * TIMES
    assert sorted(line.split()[:-1] for line in lines) == sorted(wanted)


def test_bytes_are_exact_whoever_closes() -> None:
    rows = as_json(transfers, "tcplife", 2, "-p")
    found = [(row["tx_kb"] * 1024, row["rx_kb"] * 1024) for row in rows]
    assert sorted(found) == sorted([*SIZES, *((down, up) for up, down in SIZES)])
    assert {row["pid"] for row in rows} == {rows[0]["pid"]}


def reset(client: socket.socket, _: socket.socket) -> None:
    """Send something, and throw the connection away."""
    client.sendall(bytes(700))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(0.05)
    client.close()


def in_other_ways() -> list[int]:
    """Reset a connection, try to make one in vain; returns the ports of the servers."""
    ports = [connection(V4, reset).server]
    with socket.socket() as unheard, socket.socket() as vain:
        unheard.bind(("127.0.0.1", 0))  # and does not listen
        ports.append(unheard.getsockname()[1])
        assert vain.connect_ex(("127.0.0.1", ports[1]))
    return ports


@pytest.mark.thorough
def test_connections_that_end_otherwise() -> None:
    with waiting(in_other_ways) as child:
        pid = child.pid
        with running("-m", "pyebpf.tools.tcplife", "-j", "-S", "-p", str(pid)) as tool:
            tool.wait_for_links(2)
            server, unheard = child.go()
            done = tool.interrupt()
    rows: list[Any] = [json.loads(line) for line in done.out.splitlines()]
    by_client, by_server = sorted(rows[:2], key=lambda row: bool(row["lport"] == server))
    assert (by_client["rport"], by_server["lport"]) == (server, server)
    assert (by_client["tx_kb"], by_server["rx_kb"]) == (700 / 1024, 700 / 1024)
    assert 50 <= by_client["ms"] < 60_000
    assert 50 <= by_server["ms"] < 60_000
    assert by_client["segments_out"] >= 3  # SYN, ACK and data
    vain = rows[2]
    assert (vain["rport"], vain["tx_kb"], vain["rx_kb"], len(rows)) == (unheard, 0, 0, 3)


def served(server: socket.socket) -> int:
    """Accept a connection, answer, close it first."""
    peer, _ = server.accept()
    with peer:
        peer.sendall(bytes(5_000))
    return 0


def asked(address: tuple[str, int]) -> int:
    """Read all of an answer; returns the own port."""
    with socket.create_connection(address) as client:
        while client.recv(10_000):
            pass
        port: int = client.getsockname()[1]
        return port


@pytest.mark.thorough
def test_the_process_is_who_has_the_socket() -> None:
    """The server closes first, so packets of the client end its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with (
            waiting(partial(served, listening)) as server,
            waiting(partial(asked, ("127.0.0.1", port))) as client,
            running("-m", "pyebpf.tools.tcplife", "-j", "-L", str(port)) as tool,
        ):
            pid = server.pid
            tool.wait_for_links(2)
            server.begin()
            made = Made(4, "127.0.0.1", port, client.go())
            until(lambda: has_ended(made))
            done = tool.interrupt()
    (row,) = [json.loads(line) for line in done.out.splitlines()]
    assert (row["pid"], row["rport"], row["tx_kb"]) == (pid, made.client, 5_000 / 1024)


def with_sizes() -> list[Made]:
    """Make a connection of each version."""
    talk: Talk = partial(exchanged, up=1, down=2)
    return [connection(V4, talk), connection(V6, talk)]


@pytest.mark.thorough
def test_comma_separated_values_with_both_times() -> None:
    with waiting(with_sizes) as child:
        pid = child.pid
        made, done = followed(child, "tcplife", "-p", "-stT6", begins="comm")
    head, *lines = done.out.splitlines()
    assert head == "time,time_s,pid,comm,laddr,lport,raddr,rport,tx_kb,rx_kb,ms"
    _, (_, _, server, client) = made
    small, large = 1 / 1024, 2 / 1024
    assert {line.split(",::1,", 1)[1].rpartition(",")[0] for line in lines} == {
        f"{server},::1,{client},{large},{small}",
        f"{client},::1,{server},{small},{large}",
    }
    assert all(f",{pid},{COMM}," in line for line in lines)


@pytest.mark.thorough
def test_command_line() -> None:
    for words in (("-4", "-6"), ("-L", "http"), ("-D", "70000"), ("5",)):
        done = run("-m", "pyebpf.tools.tcplife", *words)
        assert (done.code, done.out) == (2, "")
    done = run("-m", "pyebpf.tools.tcplife", "--help")
    for pair in ("-T, --time", "-t, --timestamp", "-w, --wide", "-s, --csv", "-p, --pid",
                 "-L, --localport", "-D, --remoteport", "-4, --ipv4", "-6, --ipv6"):  # fmt: skip
        assert pair in done.out
