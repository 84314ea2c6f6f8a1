"""slabratetop on a child that makes 23 sockets: an object of the cache of sockets for each."""

from __future__ import annotations

import json
import re
import socket

import pytest

from pyebpf import load
from pyebpf.lib.filters import only_pid
from pyebpf.tools import slabratetop
from tests.programs import run
from tests.tools.children import COMM, as_json, followed, waiting

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TIMES, CACHE = 23, "sock_inode_cache"
KEPT: list[socket.socket] = []


def makes_sockets() -> None:
    """Make 23 sockets, and keep them."""
    KEPT.extend(socket.socket(socket.AF_UNIX) for _ in range(TIMES))


def test_objects_are_counted() -> None:
    with (
        waiting(makes_sockets) as child,
        load(*slabratetop.tool.probes, options={only_pid: child.pid}) as session,
    ):
        child.go()
        session.detach()
        rows = slabratetop.report(session)
        assert slabratetop.report(session) == []
    (row,) = [row for row in rows if row["cache"] == CACHE]
    assert row["allocs"] == TIMES
    assert row["bytes"] % TIMES == 0
    assert row["bytes"] // TIMES >= 512
    assert [row["bytes"] for row in rows] == sorted((row["bytes"] for row in rows), reverse=True)


@pytest.mark.thorough
def test_a_screen() -> None:
    with waiting(makes_sockets) as child:
        _, done = followed(child, "slabratetop", "-p", "600", begins="Hit Ctrl-C to end.")
    begin, before, load_line, between, titles, *lines = done.out.splitlines()
    assert begin == "Tracing allocations... Hit Ctrl-C to end."
    assert (before, between) == ("", "")
    assert re.match(r"\d\d:\d\d:\d\d loadavg: [\d.]+ ", load_line)
    assert titles == f"{'CACHE':32} ALLOCS      BYTES"
    assert any(re.match(rf"{CACHE} +{TIMES} +\d+$", line) for line in lines)


@pytest.mark.thorough
def test_json_and_wrong_rows() -> None:
    rows = as_json(makes_sockets, "slabratetop", 1, "-p", "--comm", COMM, "600")
    assert [row["allocs"] for row in rows if row["cache"] == CACHE] == [TIMES]
    assert json.dumps(rows)
    done = run("-m", "pyebpf.tools.slabratetop", "-r", "0")
    assert (done.code, done.out) == (2, "")
    assert "-r: '0' is no count: 1 at least" in done.err
