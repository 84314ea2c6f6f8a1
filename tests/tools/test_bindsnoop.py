"""bindsnoop on a child that binds 23 sockets of known kinds, and fails to bind some."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from tests.programs import Program, run, running
from tests.tools.children import COMM, as_json, traced, waiting

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

IPV4, IPV6 = socket.AF_INET, socket.AF_INET6
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
IP_FREEBIND, IP_TRANSPARENT, IP_BIND_ADDRESS_NO_PORT = 15, 19, 24  # include/uapi/linux/in.h
#: The options by their letters.
OPTIONS = {
    "F": (socket.SOL_IP, IP_FREEBIND),
    "T": (socket.SOL_IP, IP_TRANSPARENT),
    "N": (socket.SOL_IP, IP_BIND_ADDRESS_NO_PORT),
    "R": (socket.SOL_SOCKET, socket.SO_REUSEADDR),
    "r": (socket.SOL_SOCKET, socket.SO_REUSEPORT),
}
#: 23 sockets: family, type, and the letters of their options.
KINDS = [
    (family, kind, letters)
    for family in (IPV4, IPV6)
    for kind in (TCP, UDP)
    for letters in (".....", "F....", ".T...", "...R.", "....r")
] + [(IPV4, TCP, "FT.Rr"), (IPV4, TCP, "..N.."), (IPV6, UDP, "...Rr")]
NAMES = {TCP: "TCP", UDP: "UDP"}
LOCAL = {IPV4: "127.0.0.1", IPV6: "::1"}


@contextmanager
def opened(family: int, kind: int, letters: str) -> Iterator[socket.socket]:
    """Give a socket with some options."""
    with socket.socket(family, kind) as one:
        for letter in letters.replace(".", ""):
            one.setsockopt(*OPTIONS[letter], 1)
        yield one


def binds() -> list[list[object]]:
    """Bind 23 sockets; returns protocol, address, port and options of each."""
    rows: list[list[object]] = []
    for family, kind, letters in KINDS:
        with opened(family, kind, letters) as one:
            one.bind((LOCAL[family], 0))
            rows.append([NAMES[kind], *one.getsockname()[:2], letters])
    return rows


def fails() -> list[list[object]]:
    """Bind a port three times; returns error, protocol, address and port of each call."""
    rows: list[list[object]] = []
    for family, kind in ((IPV4, TCP), (IPV6, UDP)):
        with ExitStack() as stack:
            port = 0
            for _ in range(3):
                one = stack.enter_context(socket.socket(family, kind))
                error = 0
                try:
                    one.bind((LOCAL[family], port))
                except OSError as err:
                    error = -(err.errno or 0)
                port = port or one.getsockname()[1]
                rows.append([error, NAMES[kind], LOCAL[family], port])
    return rows


def line_of(pid: int, protocol: object, address: object, port: object, letters: object) -> str:
    return f"{pid:>8} {COMM:<12} {protocol:<4} {address:<15} {port:>5} {letters:<5}  0"


def test_every_bind_is_a_line() -> None:
    assert len(KINDS) == 23
    pid, rows, done = traced(binds, "bindsnoop", "-p")
    _, head, *lines = done.out.splitlines()
    assert head == "     PID COMM         PROT ADDR             PORT OPTS  IF"
    assert lines == [line_of(pid, *row) for row in rows]


@pytest.mark.thorough
def test_failed_calls_have_what_was_asked_for() -> None:
    pid, rows, done = traced(fails, "bindsnoop", "-p", "-E")
    _, _, *lines = done.out.splitlines()
    assert [row[0] for row in rows] == [0, -errno.EADDRINUSE, -errno.EADDRINUSE] * 2
    assert lines == [f"{row[0]:>3} {line_of(pid, *row[1:], '.....')}" for row in rows]


def counting(pid: int) -> AbstractContextManager[Program]:
    return running("-m", "pyebpf.tools.bindsnoop", "--count", "-E", "-p", str(pid))


@pytest.mark.thorough
def test_counted_by_address_and_port() -> None:
    with waiting(fails) as child, counting(child.pid) as tool:
        tool.wait_for("Tracing")
        rows = child.go()
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    empty, head, *lines = done.out.splitlines()
    assert (empty, head.split()) == ("", ["LADDR", "LPORT", "BINDS"])
    wanted = {f"{address} {port} 3" for _, _, address, port in rows}
    assert {" ".join(line.split()) for line in lines} == wanted


def two_ports(ports: list[int]) -> list[int]:
    """Bind two ports."""
    for port in ports:
        with socket.socket(IPV4, UDP) as one:
            one.bind((LOCAL[IPV4], port))
    return ports


@pytest.mark.thorough
def test_one_port_as_json() -> None:
    with ExitStack() as stack:
        free = [stack.enter_context(socket.socket(IPV4, UDP)) for _ in range(2)]
        for one in free:
            one.bind((LOCAL[IPV4], 0))
        ports = [one.getsockname()[1] for one in free]
    flags = ("-U", "-P", f"1,{ports[1]}", "-u", "0")
    (found,) = as_json(lambda: two_ports(ports), "bindsnoop", 2, "-p", *flags)
    assert found == {
        "uid": 0, "pid": found["pid"], "comm": COMM, "prot": "UDP", "addr": LOCAL[IPV4],
        "port": ports[1], "opts": ".....", "bound_if": 0,
    }  # fmt: skip


@pytest.mark.thorough
def test_wide_columns_and_words_for_errors() -> None:
    _, rows, done = traced(fails, "bindsnoop", "-p", "-wEt")
    _, head, *lines = done.out.splitlines()
    assert head.split() == ["TIME(s)", "RC", "PID", "COMM", "PROT", "ADDR", "PORT", "OPTS", "IF"]
    assert ["already in use" in line for line in lines] == [bool(row[0]) for row in rows]


@pytest.mark.thorough
def test_command_line() -> None:
    for word in ("5", "-P"):
        done = run("-m", "pyebpf.tools.bindsnoop", word)
        assert (done.code, done.out) == (2, "")
    done = run("-m", "pyebpf.tools.bindsnoop", "-P", "http")
    assert "'http' is no whole number" in done.err
