"""tcpdrop on segments that nobody waits for, and on some that a socket does not want."""

from __future__ import annotations

import json
import os
import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyebpf.btf.system import kernel_enum
from tests.kernel.namespaces import in_own_network
from tests.programs import run, running
from tests.tools.connections import LOCAL
from tests.tools.lossy import connected, deaf, port_of, sent_again

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.tcpdrop")
TIMES = 23
REASONS = kernel_enum("skb_drop_reason")


def reason(word: str) -> str:
    """Return what is printed of a reason."""
    if not REASONS:
        return "UNKNOWN (0)"
    return f"{word} ({REASONS[f'SKB_DROP_REASON_{word}']})"


def knock(family: int) -> set[int]:
    """Try to connect to a port where nobody listens, 23 times; returns from which ports."""
    ports = set()
    for _ in range(TIMES):
        with socket.socket(family) as client:
            client.bind((LOCAL[family], 0))
            ports.add(port_of(client))
            assert client.connect_ex((LOCAL[family], 1))
    return ports


def test_every_dropped_segment_is_a_line_with_a_stack() -> None:
    def work() -> tuple[str, list[set[int]]]:
        with running(*TOOL, "--pid-netns", str(threading.get_native_id())) as tool:
            head = tool.wait_for("REASON")
            ports = [knock(family) for family in LOCAL]
            done = tool.interrupt()
        assert (done.code, done.err) == (0, "")
        return head + done.out, ports

    text, ports = in_own_network(work)
    head, rest = text.split("\n", 1)
    assert head.split() == [
        "TIME", "PID", "IP", "SADDR:SPORT", ">", "DADDR:DPORT", "STATE", "(FLAGS)", "REASON",
        "(CODE)",
    ]  # fmt: skip
    blocks = [block for block in rest.split("\n\n") if " (SYN) " in block]
    assert len(blocks) == 2 * TIMES
    for version, form, mine in zip((4, 6), ("127.0.0.1", "[::1]"), ports, strict=True):
        wanted = rf"\d\d:\d\d:\d\d {os.getpid()} +{version}  {re.escape(form)}:(\d+) +> "
        wanted += rf"{re.escape(form)}:1 +- \(SYN\) +{re.escape(reason('NO_SOCKET'))}"
        rows = [re.fullmatch(wanted, block.split("\n")[0]) for block in blocks]
        assert sorted(int(row[1]) for row in rows if row) == sorted(mine)
    for block in blocks:
        names = [line.strip().partition("+")[0] for line in block.split("\n")[1:]]
        assert any(name.startswith(("tcp_v4_", "tcp_v6_")) for name in names), block


@contextmanager
def json_of_ipv6() -> Iterator[list[dict[str, Any]]]:
    """Trace IPv6 meanwhile; fills the list at the end."""
    rows: list[dict[str, Any]] = []
    with running(*TOOL, "-j", "-6") as tool:
        said = tool.process.stdout
        assert said is not None
        while not select.select([said], [], [], 0.1)[0]:  # nothing else says when tracing begins
            assert tool.process.poll() is None, tool.end()
            knock(socket.AF_INET6)
        yield rows
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    rows += map(json.loads, done.out.splitlines())


def unwanted(family: int) -> tuple[int, int, int]:
    """Send to a socket that takes nothing; returns the ports, and how often it was sent."""
    with connected(family) as (client, peer), deaf(peer):
        client.send(b"unwanted")
        return port_of(client), port_of(peer), 1 + sent_again(client)


@pytest.mark.thorough
def test_json() -> None:
    with json_of_ipv6() as rows:
        unwanted(socket.AF_INET)
        sport, dport, times = unwanted(socket.AF_INET6)
    assert {row["ip"] for row in rows} == {6}
    mine = [row for row in rows if (row["sport"], row["dport"]) == (sport, dport)]
    first = mine[0]
    assert len([row for row in mine if row["code"] == first["code"]]) >= times
    assert (first["saddr"], first["daddr"], first["flags"]) == ("::1", "::1", "PSH|ACK")
    assert first["state"] in ("ESTABLISHED", None)  # before Linux 6.11 it is not told whose it is
    assert f"{first['reason']} ({first['code']})" == reason("SOCKET_FILTER")
    assert "tcp_v6_rcv" in [name.partition("+")[0] for name in first["stack"]]


@pytest.mark.thorough
@pytest.mark.parametrize("option", [socket.IPV6_DSTOPTS, socket.IPV6_HOPOPTS])
def test_headers_between_those_of_ipv6_and_tcp(option: int) -> None:
    padding = b"\0\0\x01\x04\0\0\0\0"
    with json_of_ipv6() as rows, socket.socket(socket.AF_INET6) as client:
        client.bind((LOCAL[socket.AF_INET6], 0))
        client.setsockopt(socket.IPPROTO_IPV6, option, padding)
        port = port_of(client)
        assert client.connect_ex((LOCAL[socket.AF_INET6], 1))
    assert [(row["dport"], row["flags"]) for row in rows if row["sport"] == port] == [(1, "SYN")]


@pytest.mark.thorough
def test_another_network_namespace_is_not_shown() -> None:
    here = Path("/proc/self/ns/net").stat().st_ino
    with running(*TOOL, "--csv", "--netns-id", str(here)) as tool:
        tool.wait_for("stack")
        other = in_own_network(lambda: knock(socket.AF_INET))
        mine = knock(socket.AF_INET)
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    rows = [line.split(",") for line in done.out.splitlines()]
    ports = {int(row[4]) for row in rows if (row[5], row[6]) == ("127.0.0.1", "1")}
    assert ports >= mine
    assert not ports & (other - mine)


@pytest.mark.thorough
def test_command_line() -> None:
    done = run(*TOOL, "--netns-id", "1", "--pid-netns", str(os.getpid()))
    assert (done.code, done.out) == (2, "")
    assert "can only use --netns-id or --pid-netns" in done.err
    done = run(*TOOL, "--pid-netns", "0")
    assert "process 0: No such file or directory" in done.err
