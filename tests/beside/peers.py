"""Who is compared: how each of them is started, and when it has begun."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Protocol

from tests.beside.contest import Contestant
from tests.beside.readers import Reader

OURS, BCC, LIBBPF, BPFTRACE = NAMES = "pyebpf", "BCC", "libbpf-tools", "bpftrace"


class Maker(Protocol):
    """Returns somebody's tool."""

    def __call__(self, tool: str, *flags: str, marker: str, read: Reader) -> Contestant:
        """Return it."""


def ours(tool: str, *flags: str, marker: str, read: Reader) -> Contestant:
    """Return our tool."""
    command = (sys.executable, "-m", f"pyebpf.tools.{tool}", *flags)
    return Contestant(OURS, command, marker, read)


def bcc(tool: str, *flags: str, marker: str, read: Reader) -> Contestant:
    """Return BCC's tool of that name."""
    command = ("/usr/bin/python3", f"/usr/sbin/{tool}-bpfcc", *flags)
    # What our tests run with is none of its business.
    return Contestant(BCC, command, marker, read, {"PYTHONPATH": ""})


def libbpf(tool: str, *flags: str, marker: str, read: Reader) -> Contestant:
    """Return the tool of that name of libbpf-tools."""
    return Contestant(LIBBPF, (f"/usr/sbin/{tool}", *flags), marker, read)


def bpftrace(tool: str, read: Reader) -> Contestant:
    """Return bpftrace's script of that name."""
    return Contestant(BPFTRACE, ("bpftrace", f"/usr/sbin/{tool}.bt"), "Attaching", read)


def alike(
    tool: str, *flags: str, marker: str, read: Reader, of: Sequence[Maker] = (ours, bcc, libbpf)
) -> tuple[Contestant, ...]:
    """Return the tools of those who have the same flags and columns."""
    return tuple(make(tool, *flags, marker=marker, read=read) for make in of)
