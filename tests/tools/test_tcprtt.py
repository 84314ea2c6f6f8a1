"""tcprtt on connections whose segments and round-trip times the kernel tells."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from ipaddress import IPv6Address
from typing import Any

import pytest

from pyebpf import load
from pyebpf.tools import tcprtt
from tests.programs import histogram_counts, run, running
from tests.tools.connections import LOCAL
from tests.tools.lossy import connected, port_of, rtt_us, segments_in, until_answered

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.tcprtt")
TIMES = 23


def talk(client: socket.socket, peer: socket.socket) -> None:
    """Ask and answer, one byte at a time."""
    for _ in range(TIMES):
        client.send(b"?")
        peer.recv(1)
        peer.send(b"!")
        client.recv(1)
    until_answered(client)
    until_answered(peer)


@pytest.mark.parametrize("family", LOCAL)
def test_a_segment_counts_the_time_of_its_connection(family: int) -> None:
    with connected(family) as (client, peer):
        options = {tcprtt.local_ports: (port_of(client),), tcprtt.extended: True}
        known, before = rtt_us(client), segments_in(client)
        with load(*tcprtt.tool.probes, options=options) as session:
            peer.send(b"!")
            client.recv(1)
            until_answered(peer)
            session.detach()
            hist = tcprtt.report(session)
        came = segments_in(client) - before  # more than one, if the peer did not wait long enough
    assert (hist.count, hist.total) == (came, came * known)


def test_every_segment_of_a_port_counts() -> None:
    with ExitStack() as stack:
        client, peer = stack.enter_context(connected(socket.AF_INET))
        other = stack.enter_context(connected(socket.AF_INET))
        ports = (1, port_of(peer))
        for option, end in ((tcprtt.local_ports, peer), (tcprtt.remote_ports, client)):
            before = segments_in(end)
            with load(*tcprtt.tool.probes, options={option: ports}) as session:
                talk(*other)
                talk(client, peer)
                session.detach()
                assert tcprtt.report(session).count == segments_in(end) - before >= TIMES


@pytest.mark.thorough
def test_addresses() -> None:
    """From one address to another: each end knows the other one as remote."""
    with ExitStack() as stack:
        client, peer = stack.enter_context(connected(socket.AF_INET, "127.0.0.2", "127.0.0.3"))
        options: dict[Any, Any] = {tcprtt.local_address: tcprtt.address("127.0.0.2")}
        for by in (tcprtt.by_local, tcprtt.by_remote):
            before = segments_in(client)
            with load(*tcprtt.tool.probes, options={**options, by: True}) as session:
                talk(client, peer)
                session.detach()
                hists = tcprtt.report(session)
            name = "127.0.0.2" if by is tcprtt.by_local else "127.0.0.3"
            assert {str(key): hist.count for key, hist in hists.items()} == {
                str(IPv6Address(f"::ffff:{name}")): segments_in(client) - before
            }


@pytest.mark.thorough
def test_drawn_and_as_json() -> None:
    with (
        connected(socket.AF_INET, "127.0.0.2", "127.0.0.3") as pair,
        running(*TOOL, "-e", "-B", "-m", "-A", "127.0.0.3") as tool,
        running(*TOOL, "-j", "-eb", "-4", "-a", "127.0.0.3", "-i", "600") as other,
        running(*TOOL, "-D", "-6", "-a", "127.0.0.3", "-d", "600") as none,
    ):
        tool.wait_for("Hit Ctrl-C to end.")
        other.wait_for_links(1)
        assert "on_segment" in none.wait_for("Hit Ctrl-C to end.")
        before = [segments_in(end) for end in pair]
        talk(*pair)
        numbers = [segments_in(end) - one for end, one in zip(pair, before, strict=True)]
        drawn, lines, nothing = tool.interrupt(), other.interrupt(), none.interrupt()
    assert [done.code for done in (drawn, lines, nothing)] == [0, 0, 0]
    assert "Remote Address = 127.0.0.3 [AVG " in drawn.out
    assert "msecs" in drawn.out
    assert sum(histogram_counts(drawn.out)) == numbers[0]
    row = json.loads(lines.out)
    assert row["laddr"] == "127.0.0.3"
    assert sum(part["count"] for part in row["data"]) == numbers[1]
    assert not histogram_counts(nothing.out)


@pytest.mark.thorough
def test_command_line() -> None:
    for flags, said in (
        (("-a", "localhost"), "'localhost' is no IP address"),
        (("-P", "http"), "'http' is no port"),
        (("-b", "-B"), "can only use -b or -B"),
    ):
        done = run(*TOOL, *flags)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
