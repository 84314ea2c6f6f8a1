"""Sources that make one event of two: a call and its end, a wait and its end. Every way of each."""

from __future__ import annotations

import os
import socket
import time

import pytest

from pyebpf import Ptr, i32, tgid, u64
from pyebpf.kernel import sock, task_struct
from pyebpf.lib import binding, sched, task
from pyebpf.lib.binding import Endpoint
from pyebpf.session import Session
from tests.kernel.test_sources import TIMES, Case, check_way, every_way, mine, seen, switches

pytestmark = [pytest.mark.kernel, pytest.mark.exact]


@binding.bound()
def on_bound(sk: Ptr[sock], end: Endpoint, ret: i32) -> None:
    if tgid() == mine.value:
        seen[0] += 1
        seen[1] += end.port
        seen[2] += ret < 0
        seen[3] += binding.options(sk)


def is_mine(one: Ptr[task_struct]) -> bool:
    found: bool = one.pid == mine.value
    return found


@sched.waited(is_mine)
def on_waited(one: Ptr[task_struct], prev: Ptr[task_struct], ns: u64) -> None:
    if one.pid != prev.pid and ns < 1 << 40:
        seen[0] += 1
        seen[2] += 1


@sched.waking()
def on_waking(woken: Ptr[task_struct]) -> None:
    if task.parent_tgid(woken) == mine.value:
        seen[0] += 1
        seen[1] += sched.state(woken) & 1  # TASK_INTERRUPTIBLE: it sleeps still


def waits(session: Session) -> list[int]:
    return switches(session, compared=1)


def sleeps(session: Session) -> list[int]:
    child = os.fork()
    if not child:
        for _ in range(TIMES):
            time.sleep(0.001)
        os._exit(0)
    os.waitpid(child, 0)
    woken, asleep = map(int, session[seen].view()[:2])
    assert woken >= asleep >= TIMES
    return []


def binds(_: Session) -> list[int]:
    """Bind 23 sockets of each family, and each port again, which fails."""
    ports = 0
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        for _turn in range(TIMES):
            with socket.socket(family) as one, socket.socket(family) as other:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind((address, 0))
                port = one.getsockname()[1]
                with pytest.raises(OSError, match="in use"):
                    other.bind((address, port))
                ports += 2 * port
    return [4 * TIMES, ports, 2 * TIMES, 2 * TIMES * binding.SO_REUSEADDR]


@every_way([Case(on_bound, binds), Case(on_waited, waits), Case(on_waking, sleeps)])
def test_a_way_sees_what_happens(case: Case, number: int) -> None:
    check_way(case, number)
