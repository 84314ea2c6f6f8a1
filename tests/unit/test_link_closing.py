"""Links that several threads close at a time, or a signal handler in the middle of that."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from pyebpf.runtime.links import base
from pyebpf.runtime.links.base import Link, Links


class Slow(Link):
    """A link that takes until it is told to detach its program; ``undone`` counts how often."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__(os.open("/dev/null", os.O_RDONLY), "here", is_bpf_link=False)
        self.begins, self.goes_on = threading.Event(), threading.Event()
        self.undone, self.meanwhile = 0, meanwhile

    def _undo(self) -> None:
        self.undone += 1
        self.begins.set()
        self.meanwhile()
        assert self.goes_on.wait(60)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note which descriptors links close."""
    found: list[int] = []
    close = os.close
    monkeypatch.setattr(base.os, "close", lambda fd: (found.append(fd), close(fd)))
    return found


def test_who_comes_second_waits_until_it_is_closed(closed: list[int]) -> None:
    link = Slow()
    fd, states = link.fd, list[int]()
    first = threading.Thread(target=link.close)
    first.start()
    assert link.begins.wait(60)
    others = [threading.Thread(target=lambda: (link.close(), states.append(link.fd)))
              for _ in range(3)]  # fmt: skip
    for other in others:
        other.start()
    others[0].join(0.05)
    assert states == []
    link.goes_on.set()
    for thread in (first, *others):
        thread.join()
    assert (states, link.undone, closed) == ([-1, -1, -1], 1, [fd])


def test_a_signal_handler_that_closes_does_not_wait_for_itself(closed: list[int]) -> None:
    """It runs in the thread that is closing: what it interrupts goes on when it has returned."""
    link = Slow()
    fd = link.fd
    link.goes_on.set()
    link.meanwhile = lambda: link.undone < 2 and link.close()
    link.close()
    assert (link.fd, closed) == (-1, [fd])


def test_what_cannot_be_undone_is_closed_all_the_same(closed: list[int]) -> None:
    link = Slow(lambda: 1 // 0)
    fd = link.fd
    with pytest.raises(ZeroDivisionError):
        link.close()
    link.close()
    assert (link.fd, closed) == (-1, [fd])


def test_several_as_one_close_each_once(closed: list[int]) -> None:
    parts: list[Link] = [Link(os.open("/dev/null", os.O_RDONLY), "here") for _ in range(3)]
    fds, links = [part.fd for part in parts], Links(parts, "everywhere")
    threads = [threading.Thread(target=links.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(closed) == sorted(fds)
    assert [part.fd for part in parts] == [-1, -1, -1]
