"""Columns of tools for TCP, and the options that say which are shown.

Their records have the ends of a connection in the field ``ends``, whose it is in ``owner``, and
when it was in ``ts_ns``. A tool that imports ``time_of_day``, ``timestamp`` or ``wide`` has these
options.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from pyebpf.cli.lines import Clock, Column, Elapsed, widened
from pyebpf.dsl.constants import Const
from pyebpf.lib.tcp import plain

#: Characters of an IPv4 address, and of the longest IPv6 address.
NARROW, WIDE = 15, 39

time_of_day = Const(False, "-T", "--time", help="include the time of day, HH:MM:SS")
timestamp = Const(False, "-t", "--timestamp", help="include the time since tracing began")
wide = Const(False, "-w", "--wide", help="columns that IPv6 addresses and names fit into")


def clock() -> Column:
    """Return the column of the time of day, which an option shows."""
    return Clock("TIME", 8, field="time", value=lambda _, row: row.ts_ns, when=time_of_day)


def elapsed(digits: int) -> Column:
    """Return the column of the seconds since tracing began, which an option shows."""
    return Elapsed(
        "TIME(s)",
        9,
        format=f".{digits}f",
        field="time_s",
        value=lambda _, row: row.ts_ns,
        when=timestamp,
    )


def pid(title: str = "PID", width: int = 7) -> Column:
    """Return the column of the number of the process; 0 if there is none."""
    return Column(title, width, field="pid", value=lambda _, row: row.owner.pid)


def command(title: str = "COMM", width: int = 12) -> Column:
    """Return the column of the name of the process, as much of it as there is room."""
    return Column(title, width, cut=True, field="comm", value=lambda _, row: row.owner.comm or "?")


def version(*, when: Any = True) -> Column:
    """Return the column IP: 4 or 6."""
    return Column("IP", 2, value=lambda _, row: row.ends.version, when=when)


def local_address(title: str = "LADDR", width: int = NARROW, *, when: Any = True) -> Column:
    """Return the column of the address here."""
    return Column(title, width, value=lambda _, row: plain(row.ends.laddr), when=when)


def remote_address(title: str = "RADDR", width: int = NARROW, *, when: Any = True) -> Column:
    """Return the column of the other address."""
    return Column(title, width, value=lambda _, row: plain(row.ends.raddr), when=when)


def local_port(title: str = "LPORT", width: int = 5, *, when: Any = True) -> Column:
    """Return the column of the port here."""
    return Column(title, width, value=lambda _, row: row.ends.lport, when=when)


def remote_port(title: str = "RPORT", width: int = 5, *, when: Any = True) -> Column:
    """Return the column of the other port."""
    return Column(title, width, value=lambda _, row: row.ends.rport, when=when)


def place(address: IPv4Address | IPv6Address, port: int) -> str:
    """Return an address and a port as one text: ``127.0.0.1:80``, ``[::1]:80``."""
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


def local_end(title: str = "LADDR:LPORT", width: int = 20) -> Column:
    """Return the column of the address and the port here, for people."""
    return Column(title, width, value=lambda _, row: place(plain(row.ends.laddr), row.ends.lport))


def remote_end(title: str = "RADDR:RPORT", width: int = 20) -> Column:
    """Return the column of the other address and port, for people."""
    return Column(title, width, value=lambda _, row: place(plain(row.ends.raddr), row.ends.rport))


def ends_widened() -> tuple[Column, ...]:
    """Return the columns of both ends for people: with an option as wide as IPv6 needs."""
    return (
        version(when=wide),
        *widened(local_address(), WIDE, wide),
        local_port(),
        *widened(remote_address(), WIDE, wide),
        remote_port(),
    )


def fields() -> tuple[Column, ...]:
    """Return the columns of both ends for programs: the version, addresses, ports."""
    return version(), local_address(), local_port(), remote_address(), remote_port()
