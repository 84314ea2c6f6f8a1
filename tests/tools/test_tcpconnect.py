"""tcpconnect on a child that connects 23 times, to itself."""

from __future__ import annotations

import csv
import os
import re
import socket
import subprocess
import sys
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.programs import ROOT, Program, run, running
from tests.tools.children import COMM, as_json, followed, traced, waiting
from tests.tools.connections import TIMES, V4, V6, Made, connection, connections

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]


def line_of(pid: int, made: Made, *, port: bool = True) -> str:
    lport = f" {made.client:<6}" if port else ""
    rest = f"{made.address:<16}{lport} {made.address:<16} {made.server}"
    return f"{pid:<7} {COMM:<12} {made.version:<2} {rest}"


@pytest.mark.parametrize("port", [True, False])
def test_every_connection_is_a_line(port: bool) -> None:
    pid, made, done = traced(connections, "tcpconnect", "-p", *["-L"] * port)
    head, *lines = done.out.splitlines()
    titles = ["PID", "COMM", "IP", "SADDR", *["LPORT"] * port, "DADDR", "DPORT"]
    assert head.split() == titles
    assert len(lines) == TIMES
    assert lines == [line_of(pid, Made(*one), port=port) for one in made]


def in_other_ways() -> list[list[Any]]:
    """Connect in vain, without waiting, from a port that was chosen, to IPv4 by IPv6."""
    rows: list[list[Any]] = []
    with socket.socket() as unheard, socket.socket() as vain:
        unheard.bind(("127.0.0.1", 0))  # and does not listen
        port = unheard.getsockname()[1]
        vain.bind(("127.0.0.1", 0))
        rows.append([4, "127.0.0.1", vain.getsockname()[1], port])
        assert vain.connect_ex(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.socket() as quick:
            quick.setblocking(False)
            quick.connect_ex(("127.0.0.1", port))
            rows.append([4, "127.0.0.1", quick.getsockname()[1], port])
        with socket.socket(V6) as both:
            both.connect(("::ffff:127.0.0.1", port))
            rows.append([4, "127.0.0.1", both.getsockname()[1], port])
    with socket.socket(V4, socket.SOCK_DGRAM) as none:
        none.connect(("127.0.0.1", 9))  # no connection of TCP
    return rows


@pytest.mark.thorough
def test_attempts_of_every_kind_as_values() -> None:
    with waiting(in_other_ways) as child:
        flags = ("--csv", "-tUL", "-u", "0")
        wanted, done = followed(child, "tcpconnect", "-p", *flags, begins="comm")
    found = list(csv.DictReader(done.out.splitlines()))
    assert [[row["ip"], row["daddr"], row["lport"], row["dport"]] for row in found] == [
        [str(value) for value in row] for row in wanted
    ]
    assert {(row["uid"], row["comm"], row["saddr"]) for row in found} == {("0", COMM, "127.0.0.1")}


def to_two_servers() -> list[int]:
    """Connect seven times to a server, and three times to another; returns their ports."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("::1", 0), family=V6) as two,
    ):
        ports = [one.getsockname()[1], two.getsockname()[1]]
        for address, port, times in (("127.0.0.1", ports[0], 7), ("::1", ports[1], 3)):
            for _ in range(times):
                socket.create_connection((address, port)).close()
    return ports


def counting(pid: int) -> AbstractContextManager[Program]:
    return running("-m", "pyebpf.tools.tcpconnect", "-c", "-p", str(pid))


@pytest.mark.thorough
def test_counted_by_addresses_and_port() -> None:
    with waiting(to_two_servers) as child, counting(child.pid) as tool:
        tool.wait_for("Tracing")
        ports = child.go()
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    empty, head, *lines = done.out.splitlines()
    assert (empty, head.split()) == ("", ["LADDR", "RADDR", "RPORT", "CONNECTS"])
    assert [line.split() for line in lines] == [
        ["127.0.0.1", "127.0.0.1", str(ports[0]), "7"], ["::1", "::1", str(ports[1]), "3"]
    ]  # fmt: skip


@pytest.mark.thorough
def test_some_ports_of_one_version_only() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [server.getsockname()[1] for server in (one, two)]

        def work() -> None:
            for port in ports:
                socket.create_connection(("127.0.0.1", port)).close()
            connection(V6)

        rows = as_json(work, "tcpconnect", 1, "-p", "-4", "-P", f"1,{ports[1]}")
    assert [(row["ip"], row["dport"]) for row in rows] == [(4, ports[1])]


def test_names_that_were_looked_up_in_a_network_of_ones_own() -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "tests.tools.names_network"],
        check=False, capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    *lines, end = done.stdout.splitlines()
    assert end.split() == ["0"]
    found = [tuple(re.split(r"  +80 +", line)) for line in lines]
    assert {len(pair) for pair in found} == {2}, done.stdout
    wanted = [
        ("10.1.2.3", "No DNS Query"), ("10.1.2.3", "known.example"), ("fd00::3", "known.example"),
        ("10.1.2.4", r"known.example \(\d+\.\d{3}ms\)"), ("127.0.0.1", "localhost"),
    ]  # fmt: skip
    assert [line.split()[4] for line, _ in found] == [address for address, _ in wanted]
    for (_, query), (_, pattern) in zip(found, wanted, strict=True):
        assert re.fullmatch(pattern, query)


@pytest.mark.thorough
def test_command_line() -> None:
    for words in (("-4", "-6"), ("-c", "-d"), ("-P", "http"), ("5",)):
        done = run("-m", "pyebpf.tools.tcpconnect", *words)
        assert (done.code, done.out) == (2, "")
    done = run("-m", "pyebpf.tools.tcpconnect", "--help")
    for pair in ("-t, --timestamp", "-p, --pid", "-P, --port", "-4, --ipv4", "-6, --ipv6",
                 "-L, --lport", "-U, --print-uid", "-u, --uid", "-c, --count", "-d, --dns",
                 "--cgroupmap", "--mntnsmap"):  # fmt: skip
        assert pair in done.out
