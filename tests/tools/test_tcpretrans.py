"""tcpretrans on connections that lose packets, beside what the kernel counts."""

from __future__ import annotations

import json
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.kernel.namespaces import in_own_network
from tests.programs import Done, run, running, until
from tests.tools.lossy import (
    connected,
    counter,
    deaf,
    port_of,
    sent_again,
    until_answered,
)

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.tcpretrans")
BRACKETS = {socket.AF_INET: "127.0.0.1:{}", socket.AF_INET6: "[::1]:{}"}


def lose(client: socket.socket, peer: socket.socket, times: int = 2) -> None:
    """Let a client send something until it arrives, some times in vain."""
    before = sent_again(client)
    with deaf(peer):
        client.send(b"lost")
        until(lambda: sent_again(client) >= before + times)
    until_answered(client)


def again() -> int:
    return counter("snmp", "Tcp", "RetransSegs")


def traced(work: Callable[[], list[str]], *flags: str) -> tuple[list[str], Done]:
    """Trace work in a network of its own; returns what the work returned, and the tool left."""
    with running(*TOOL, *flags) as tool:
        header = tool.wait_for("STATE")
        returned = in_own_network(work)
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    return returned, done._replace(out=header + done.out)


def work() -> list[str]:
    """Lose data of both protocols; returns how each line has to begin behind the process."""
    wanted = []
    for number, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        with connected(family) as (client, peer):
            lose(client, peer)
            form = BRACKETS[family]
            here, there = form.format(port_of(client)), form.format(port_of(peer))
            line = rf"{number}  {here:<20} R> {there:<20} ESTABLISHED"
            wanted += [line] * sent_again(client)
    assert len(wanted) == again()
    return wanted


def test_every_packet_that_is_sent_again_is_a_line() -> None:
    wanted, done = traced(work)
    lines = done.out.splitlines()
    head = "TIME     PID     IP LADDR:LPORT          T> RADDR:RPORT          STATE"
    assert lines[:2] == ["Tracing retransmits... Hit Ctrl-C to end.", head]
    rows = [re.fullmatch(r"\d\d:\d\d:\d\d \d+ +(\S.*)", line) for line in lines[2:]]
    told = Counter(row[1] for row in rows if row)
    assert {line: told[line] for line in set(wanted)} == Counter(wanted)


@contextmanager
def json_of(*flags: str) -> Iterator[list[dict[str, object]]]:
    """Trace meanwhile; fills the list at the end."""
    rows: list[dict[str, object]] = []
    with running(*TOOL, "-j", *flags) as tool:
        tool.wait_for_links(2)
        yield rows
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    rows += map(json.loads, done.out.splitlines())


def begun_in_vain() -> tuple[int, int, int]:
    """Connect; the client does not hear the first answers.

    Returns the ports of client and server, and how much was sent again in this network.
    """
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as server,
        socket.socket(socket.AF_INET6) as client,
    ):
        client.setblocking(False)
        with deaf(client):
            client.connect_ex(server.getsockname()[:2])
            until(lambda: again() >= 2)
        with server.accept()[0]:
            return port_of(client), port_of(server), again()


@pytest.mark.thorough
def test_what_begins_a_connection_and_the_answers_to_it() -> None:
    with json_of("-6") as rows:
        client, server, number = in_own_network(begun_in_vain)
    kinds = Counter(
        (row["lport"], row["rport"], row["state"], row["type"], row["ip"], row["laddr"])
        for row in rows
        if {row["lport"], row["rport"]} == {client, server}
    )
    assert kinds.total() == number
    assert set(kinds) == {
        (client, server, "SYN_SENT", "R", 6, "::1"),
        (server, client, "NEW_SYN_RECV", "R", 6, "::1"),
    }


def probed(with_new_data: bool) -> tuple[int, int, int]:
    """Have loss probes sent that repeat what was sent, and others.

    Returns the port of the client, how many there were, and what was sent again in all.
    """
    with connected(socket.AF_INET) as (client, peer):
        lose(client, peer)
        if with_new_data:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
            with deaf(peer):
                client.send(b"lost")
                client.send(b"and this waits for an answer to that")
                until(lambda: counter("netstat", "TcpExt", "TCPLossProbes") >= 2)
            until_answered(client)
        return port_of(client), counter("netstat", "TcpExt", "TCPLossProbes"), sent_again(client)


@pytest.mark.thorough
def test_loss_probes() -> None:
    with running(*TOOL, "-ls") as tool:
        header = tool.wait_for("STATE")
        sees_all = "No loss probes with new data" not in header
        client, probes, number = in_own_network(lambda: probed(sees_all))
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    rows = re.findall(rf"127.0.0.1:{client} +(.)> .* ESTABLISHED +(\d+)\n", done.out)
    kinds = Counter(kind for kind, _ in rows)
    assert kinds["L"] == probes >= 1 + sees_all
    # One that has new data is sent for the first time; what it is behind of is then sent again.
    assert kinds.total() == number + sees_all
    assert len({sequence for _, sequence in rows}) == 1 + 2 * sees_all


def counted() -> list[dict[str, object]]:
    """Lose data of two connections to one server; returns the rows of -c."""
    rows = []
    for times in (1, 3):
        with connected(socket.AF_INET) as (client, peer):
            lose(client, peer, times)
            rows.append({
                "laddr": "127.0.0.1", "lport": port_of(client), "raddr": "127.0.0.1",
                "rport": port_of(peer), "retransmits": sent_again(client),
            })  # fmt: skip
    return rows


@pytest.mark.thorough
def test_counted_by_connection() -> None:
    with json_of("-c") as rows, running(*TOOL, "-c") as tool:
        tool.wait_for("Tracing")
        wanted = in_own_network(counted)
        done = tool.interrupt()
    for row in rows:
        del row["ts"]
    assert [row for row in rows if row in wanted] == wanted[::-1]
    head, *lines = done.out.splitlines()[1:]
    assert head.split() == ["LADDR:LPORT", "RADDR:RPORT", "RETRANSMITS"]
    first = wanted[0]
    text = f"127.0.0.1:{first['lport']:<16} 127.0.0.1:{first['rport']:<16} {first['retransmits']}"
    assert text.split() in [line.split() for line in lines]


@pytest.mark.thorough
def test_command_line() -> None:
    done = run(*TOOL, "-4", "-6")
    assert (done.code, done.out) == (2, "")
    assert "can only use -4 or -6" in done.err
    done = run(*TOOL, "-D", "http")
    assert "'http' is no port" in done.err
