"""tcpstates on a child with both ends of connections: every state of each, in its order."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.programs import run, running
from tests.tools.children import COMM, waiting
from tests.tools.connections import FAMILIES, LOCAL, V4, V6

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

#: The states of who connects and is left, of who accepts and leaves, of who listens.
LEFT = ["CLOSE", "SYN_SENT", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"]
LEAVES = ["LISTEN", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE"]
LISTENS = ["CLOSE", "LISTEN", "CLOSE"]
LASTS_S = 0.02


def steps(states: list[str]) -> list[tuple[str, str]]:
    return list(pairwise(states))


def bound(family: int) -> socket.socket:
    """Return a socket with a port."""
    server = socket.socket(family)
    server.bind((LOCAL[family], 0))
    return server


def connect(server: socket.socket, times: int) -> list[int]:
    """Connect to a server, which closes first; returns the ports of the clients."""
    clients = []
    server.listen()
    for _ in range(times):
        with socket.create_connection(server.getsockname()[:2]) as client:
            peer, _ = server.accept()
            clients.append(client.getsockname()[1])
            time.sleep(LASTS_S)
            peer.close()
            assert not client.recv(1)
    server.close()
    return clients


def seen(family: int, times: int, *flags: str, by: str = "-L") -> tuple[int, int, list[int], str]:
    """Trace connections to a server; returns the child, the ports, and what the tool printed."""
    with bound(family) as server:
        port = server.getsockname()[1]
        with (
            waiting(partial(connect, server, times)) as child,
            running("-m", "pyebpf.tools.tcpstates", by, str(port), *flags) as tool,
        ):
            pid = child.pid
            server.close()  # the child has it
            tool.wait_for_links(2)
            clients = child.go()
            done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    return pid, port, clients, done.out


def of_sockets(rows: list[Any]) -> list[list[Any]]:
    """Return the rows of each socket, those that began first before others."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        if row["oldstate"] in ("CLOSE", "LISTEN") and row["newstate"] != "CLOSE":
            found[f"{len(found)} {row['skaddr']}"] = [row]  # an address may be used again
        else:
            latest = [key for key in found if key.endswith(f" {row['skaddr']}")][-1]
            found[latest].append(row)
    return list(found.values())


@pytest.mark.parametrize("family", [V4, V6])
def test_states_of_both_ends_in_their_order(family: int) -> None:
    times = FAMILIES.count(family)
    pid, port, clients, out = seen(family, times, "-j", by="-D")
    rows = [json.loads(line) for line in out.splitlines()]
    assert {(row["pid"], row["comm"], row["rport"], row["raddr"]) for row in rows} == {
        (pid, COMM, port, LOCAL[family])
    }
    sockets = of_sockets(rows)
    assert len(sockets) == times
    for one, client in zip(sockets, clients, strict=True):
        assert [(row["oldstate"], row["newstate"]) for row in one] == steps(LEFT)
        assert [row["lport"] for row in one] == [0, *[client] * 4]
        assert LASTS_S * 1e3 <= one[2]["ms"] < 60_000  # in ESTABLISHED


def test_who_listens_and_who_accepts() -> None:
    pid, port, clients, out = seen(V4, 3, "-w")
    head, *lines = out.splitlines()
    titles = "SKADDR C-PID C-COMM IP LADDR LPORT RADDR RPORT OLDSTATE -> NEWSTATE MS"
    assert head.split() == titles.split()
    names = titles.replace("-> ", "").lower().split()
    rows = [dict(zip(names, line.replace("-> ", "").split(), strict=True)) for line in lines]
    server, *accepted = of_sockets(rows)
    assert [(row["oldstate"], row["newstate"]) for row in server] == steps(LISTENS)
    assert {row["c-pid"] for row in server} == {str(pid)}
    for one, client in zip(accepted, clients, strict=True):
        assert [(row["oldstate"], row["newstate"]) for row in one] == steps(LEAVES)
        assert {row["rport"] for row in one[1:]} == {str(client)}
        assert {row["lport"] for row in one} == {str(port)}
        # Nobody has it before it is accepted, whatever was running when the packets came.
        assert [row["c-pid"] for row in one] == ["0", "0", *[str(pid)] * 3]
        assert LASTS_S * 1e3 <= float(one[2]["ms"]) < 60_000


@pytest.mark.thorough
def test_changes_of_who_is_asked_for() -> None:
    pid, _, _, out = seen(V4, 3, "-j", "--comm", COMM)
    rows = [json.loads(line) for line in out.splitlines()]
    changes = Counter((row["oldstate"], row["newstate"]) for row in rows)
    assert changes == Counter(steps(LISTENS) + steps(LEAVES)[2:] * 3)
    assert {row["pid"] for row in rows} == {pid}
    assert not seen(V4, 3, "-j", "--comm", "another")[3]


@pytest.mark.thorough
def test_the_journal_gets_every_line(tmp_path: Path) -> None:
    with bound(V4) as server, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        port, path = server.getsockname()[1], str(tmp_path / "journal")
        journal.bind(path)
        script = (
            f"from pyebpf.host import journal; journal.SOCKET = {path!r}\n"
            "from pyebpf.tools.tcpstates import tool\n"
            f"raise SystemExit(tool.main(['-Y', '-D', '{port}']))"
        )
        with waiting(partial(connect, server, 1)) as child, running("-c", script) as tool:
            server.close()
            tool.wait_for("SKADDR")
            (client,) = child.go()
            done = tool.interrupt()
        journal.settimeout(60)
        entries = [journal.recv(4_096).decode().splitlines() for _ in steps(LEFT)]
    fields = [dict(field.split("=", 1) for field in entry) for entry in entries]
    assert [field["MESSAGE"] for field in fields] == done.out.splitlines()
    assert [field["TCPSTATES_NEWSTATE"] for field in fields] == LEFT[1:]
    assert {field["SYSLOG_IDENTIFIER"] for field in fields} == {"tcpstates"}
    assert fields[-1]["TCPSTATES_LPORT"] == str(client)


@pytest.mark.thorough
def test_times_and_values() -> None:
    _, _, clients, out = seen(V6, 1, "-stT", by="-D")
    head, *lines = out.splitlines()
    titles = "time,time_s,skaddr,pid,comm,laddr,lport,raddr,rport,oldstate,newstate,ms"
    assert head == titles
    assert [line.split(",")[6] for line in lines] == ["0", *[str(clients[0])] * 4]
    times = [float(line.split(",")[1]) for line in lines]
    assert times == sorted(times)


@pytest.mark.thorough
def test_command_line() -> None:
    for words in (("-4", "-6"), ("-L", "http"), ("-D", "70000"), ("5",)):
        done = run("-m", "pyebpf.tools.tcpstates", *words)
        assert (done.code, done.out) == (2, "")
    done = run("-m", "pyebpf.tools.tcpstates", "--help")
    for pair in ("-T, --time", "-t, --timestamp", "-w, --wide", "-s, --csv", "-L, --localport",
                 "-D, --remoteport", "-Y, --journal", "-4, --ipv4", "-6, --ipv6"):  # fmt: skip
        assert pair in done.out
