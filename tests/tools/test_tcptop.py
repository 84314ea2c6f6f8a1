"""tcptop on connections of this process that transfer known numbers of bytes."""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
from contextlib import ExitStack
from typing import Any

import pytest

from pyebpf import load
from pyebpf.lib.filters import only_pid
from pyebpf.tools import tcptop
from tests.programs import run, running
from tests.tools.connections import LOCAL
from tests.tools.lossy import connected, port_of

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.tcptop")
TIMES = 23
TOTAL = TIMES * (TIMES + 1) // 2


def talk(client: socket.socket, peer: socket.socket) -> None:
    """Send 1, 2, … 23 bytes; some are looked at before they are taken."""
    for size in range(1, TIMES + 1):
        client.send(bytes(size))
        if size > 1:
            peer.recv(size, socket.MSG_PEEK)
        assert len(peer.recv(size, socket.MSG_WAITALL)) == size


def fill(client: socket.socket, peer: socket.socket) -> int:
    """Send as much as fits, and take it; returns how much that is."""
    client.setblocking(False)
    size = client.send(bytes(64 << 20))
    left = size
    while left:
        left -= len(peer.recv(left))
    return size


def send_file(client: socket.socket, peer: socket.socket, size: int) -> None:
    """Send a part of a file, and take it."""
    with tempfile.TemporaryFile() as file:
        file.write(bytes(size))
        file.flush()
        assert os.sendfile(client.fileno(), file.fileno(), 0, size) == size
    assert len(peer.recv(size, socket.MSG_WAITALL)) == size


def ends(row: dict[str, Any]) -> tuple[object, ...]:
    return (row["ip"], str(row["laddr"]), row["lport"], str(row["raddr"]), row["rport"])


def through(rows: list[dict[str, Any]]) -> dict[tuple[object, ...], tuple[float, float]]:
    """Return how many bytes went through each end: received and sent."""
    return {ends(row): (row["rx_kb"] * 1024, row["tx_kb"] * 1024) for row in rows}


def wanted(
    client: socket.socket, peer: socket.socket, version: int, size: int
) -> dict[tuple[object, ...], tuple[float, float]]:
    """Return what has to be known of a connection whose client has sent so many bytes."""
    here, there = ("127.0.0.1" if version == 4 else "::1",) * 2
    one, other = port_of(client), port_of(peer)
    return {
        (version, here, one, there, other): (0, size),
        (version, there, other, here, one): (size, 0),
    }


def test_each_end_has_what_went_through_it() -> None:
    with ExitStack() as stack:
        pairs = [stack.enter_context(connected(family)) for family in LOCAL]
        session = stack.enter_context(load(*tcptop.tool.probes, options={only_pid: os.getpid()}))
        for pair in pairs:
            talk(*pair)
        more = fill(*pairs[0])
        send_file(*pairs[1], 70_000)
        session.detach()
        rows = tcptop.report(session)
        assert session.lost() == {}
        assert tcptop.report(session) == []
        assert through(rows) == {
            **wanted(*pairs[0], 4, TOTAL + more), **wanted(*pairs[1], 6, TOTAL + 70_000)
        }  # fmt: skip
    assert {row["pid"] for row in rows} == {os.getpid()}
    totals = [row["rx_kb"] + row["tx_kb"] for row in rows]
    assert totals == sorted(totals, reverse=True)


@pytest.mark.thorough
def test_ipv4_by_a_socket_of_ipv6_is_ipv4() -> None:
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        options = {only_pid: os.getpid(), tcptop.only_v4: True}
        with (
            load(*tcptop.tool.probes, options=options) as session,
            socket.create_connection(("127.0.0.1", port_of(server))) as client,
            server.accept()[0] as peer,
        ):
            talk(client, peer)
            session.detach()
            assert through(tcptop.report(session)) == wanted(client, peer, 4, TOTAL)


@pytest.mark.thorough
def test_what_is_moved_to_a_pipe() -> None:
    with (
        connected(socket.AF_INET) as (client, peer),
        load(*tcptop.tool.probes, options={only_pid: os.getpid()}) as session,
    ):
        receiving = [info for info in session.compiled.programs if info.name != "on_send"]
        if [info.kind for info in receiving] == ["tp_btf"]:
            pytest.skip("functions of this kernel cannot be traced")
        read, write = os.pipe()
        client.send(bytes(1_000))
        moved = 0
        while moved < 1_000:
            moved += os.splice(peer.fileno(), write, 1_000 - moved)
        os.close(read)
        os.close(write)
        session.detach()
        assert through(tcptop.report(session)) == wanted(client, peer, 4, 1_000)


@pytest.mark.thorough
def test_a_screen_and_json() -> None:
    with (
        connected(socket.AF_INET) as v4,
        connected(socket.AF_INET6) as v6,
        running(*TOOL, "-p", str(os.getpid()), "600") as tool,
        running(*TOOL, "-j", "-6", "-D", str(port_of(v6[1])), "600") as other,
    ):
        tool.wait_for("Hit Ctrl-C to end.")
        other.wait_for_links(2)
        for pair in (v4, v6):
            talk(*pair)
            send_file(*pair, 51_200 - TOTAL)
        done = tool.interrupt()
        (row,) = [json.loads(line) for line in other.interrupt().out.splitlines()]
        ((key, amount), _) = wanted(*v6, 6, 51_200).items()
        ports = [port_of(end) for end in v4]
    assert (done.code, done.err) == (0, "")
    assert (ends(row), row["tx_kb"] * 1024) == (key, amount[1])
    _, load_line, _, *tables = done.out.splitlines()
    assert re.match(r"\d\d:\d\d:\d\d loadavg: [\d.]+ ", load_line)
    assert [table.split() for table in tables if "PID" in table or not table] == [
        ["PID", "COMM", "LADDR", "RADDR", "RX_KB", "TX_KB"], [],
        ["PID", "COMM", "LADDR6", "RADDR6", "RX_KB", "TX_KB"],
    ]  # fmt: skip
    assert len(tables) == 3 + 4
    wholes = [line.split()[2:] for line in tables]
    assert [f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}", "0", "50"] in wholes
    assert [f"[::1]:{key[4]}", f"[::1]:{key[2]}", "50", "0"] in wholes


@pytest.mark.thorough
def test_command_line() -> None:
    done = run(*TOOL, "-4", "-6")
    assert (done.code, done.out) == (2, "")
    assert "can only use -4 or -6" in done.err
    done = run(*TOOL, "--cgroupmap", "/no/such/map")
    assert "nothing is pinned at '/no/such/map'" in done.err
