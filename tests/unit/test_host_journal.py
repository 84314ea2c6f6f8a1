"""Entries of systemd's journal, as a socket in its place gets them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyebpf.host import journal


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "socket"))
        one.settimeout(60)
        monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "socket"))
        yield one


def test_fields_of_an_entry(listening: socket.socket) -> None:
    with journal.Journal("known") as entries:
        entries.write("a line", {"KNOWN_PORT": 80, "KNOWN_TEXT": "two\nlines"})
    assert listening.recv(1_000) == (
        b"MESSAGE=a line\nPRIORITY=6\nSYSLOG_IDENTIFIER=known\nKNOWN_PORT=80\n"
        b"KNOWN_TEXT\n\x09\0\0\0\0\0\0\0two\nlines\n"
    )


def test_without_a_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError, match="no journal of systemd"):
        journal.Journal("known")
