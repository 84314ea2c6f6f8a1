"""Links are closed beside each other where the kernel waits, and all of them whatever happens."""

from __future__ import annotations

import threading

import pytest

from pyebpf.runtime.links.base import Link, Links
from pyebpf.runtime.links.closing import close_all


class Closing(Link):
    """A link without a descriptor, which tells when it is closed."""

    def __init__(self, name: str, told: list[str], *, waits: bool) -> None:
        super().__init__(-1, name, also=(-1,) if waits else ())
        self.told = told

    def close(self) -> None:
        if self.hook not in self.told:
            self.told.append(self.hook)


class Meeting(Closing):
    """One that is closed when as many others are being closed."""

    barrier = threading.Barrier(4)

    def close(self) -> None:
        if self.hook not in self.told:
            self.barrier.wait(60)  # broken if they are closed one after the other
        super().close()


def test_those_that_wait_wait_together() -> None:
    told: list[str] = []
    close_all(Meeting(str(n), told, waits=True) for n in range(8))
    assert sorted(told) == list("01234567")


def test_a_set_of_links_waits_together() -> None:
    told: list[str] = []
    Links([Meeting(str(n), told, waits=True) for n in range(4)], "four").close()
    assert sorted(told) == list("0123")


def test_others_are_closed_first_and_in_their_order() -> None:
    told: list[str] = []
    close_all(Closing(name, told, waits=name == "b") for name in "abcd")
    assert told == list("acdb")


class Failing(Closing):
    def close(self) -> None:
        if self.hook not in self.told:
            super().close()
            raise OSError(self.hook)


@pytest.mark.parametrize("waits", [False, True])
def test_an_error_is_raised_when_all_are_closed(waits: bool) -> None:
    told: list[str] = []
    kinds = (Closing, Failing, Closing)
    links = [kind(str(n), told, waits=waits) for n, kind in enumerate(kinds)]
    with pytest.raises(OSError, match="1"):
        close_all(links)
    assert sorted(told) == list("012")


def test_where_no_thread_may_be_started_they_wait_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    told: list[str] = []
    close_all(Closing(str(n), told, waits=True) for n in range(3))
    assert told == list("012")
