"""gethostlatency on a child that looks up 23 names, by each of the three functions."""

from __future__ import annotations

import csv
import ctypes
import re
import socket
import time

import pytest

from tests.programs import run
from tests.tools.children import COMM, as_json, traced

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.gethostlatency")
#: Addresses in words: looked up by the same functions, and no server is asked.
NAMES = [f"127.0.0.{number}" for number in range(1, 21)]
LONG = "a" * 300  # longer than any name may be


def timed(name: str | None, by: str) -> tuple[str, float]:
    """Look up one name; returns it, and how long it took in milliseconds, at most."""
    libc = ctypes.CDLL(None)
    asked = None if name is None else name.encode()
    further = {"gethostbyname": (), "gethostbyname2": (socket.AF_INET,)}
    begun = time.monotonic_ns()
    if by == "getaddrinfo":
        socket.getaddrinfo(name, 80, socket.AF_INET)
    else:
        getattr(libc, by)(asked, *further[by])
    return name or "", (time.monotonic_ns() - begun) / 1e6


def lookups() -> list[tuple[str, float]]:
    """Look up 23 names, and nothing twice, which no function has to find."""
    rows = [timed(name, "getaddrinfo") for name in NAMES]
    rows.append(timed("127.0.1.1", "gethostbyname"))
    rows.append(timed("127.0.1.2", "gethostbyname2"))
    timed(None, "getaddrinfo")
    rows.append(timed(LONG, "gethostbyname"))  # it fails
    return rows


def test_every_lookup_is_a_line() -> None:
    pid, rows, done = traced(lookups, "gethostlatency", "-p")
    head, *lines = done.out.splitlines()
    assert head == "TIME      PID     COMM                  LATms HOST"
    assert len(lines) == len(rows) == 23
    for line, (name, longest) in zip(lines, rows, strict=True):
        form = rf"\d\d:\d\d:\d\d  {pid:<7} {COMM:<16} +(\d+\.\d\d\d) {name[:255]}"
        found = re.fullmatch(form, line)
        assert found, line
        assert float(found[1]) <= longest


@pytest.mark.thorough
def test_json() -> None:
    (row,) = as_json(lambda: timed("127.0.0.1", "getaddrinfo"), "gethostlatency", 6, "-p")
    assert (row["comm"], row["host"], sorted(row)) == (
        COMM, "127.0.0.1", ["comm", "host", "latency_ms", "pid", "time"]
    )  # fmt: skip


@pytest.mark.thorough
def test_a_command_is_traced() -> None:
    done = run(*TOOL, "--csv", "--exec", "getent", "ahosts", "127.0.0.1")
    assert (done.code, done.err) == (0, "")
    rows = list(csv.DictReader(line for line in done.out.splitlines() if "," in line))
    assert [(row["comm"], row["host"]) for row in rows] == [("getent", "127.0.0.1")]


@pytest.mark.thorough
def test_a_library_that_is_not_there() -> None:
    done = run(*TOOL, "-l", "/no/such/libc.so")
    assert (done.code, done.out) == (1, "")
    assert "/no/such/libc.so" in done.err
