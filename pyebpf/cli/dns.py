"""A column of the names that programs look up before they connect."""

from __future__ import annotations

import importlib
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyebpf.cli.lines import Column, Tracing
from pyebpf.lib.tcp import plain

if TYPE_CHECKING:
    from pyebpf.host.dns import Address
    from pyebpf.host.sniff import Packet
    from pyebpf.session import Session

#: Bytes for answers that come before a line is printed: some thousand.
_ROOM = 8 << 20
#: Of answers that are older than this, the age is shown.
_RECENT_MS = 100
_MS = 1_000_000  # ns
_UDP_HEADER, _IPV6_HEADER = 8, 40


class Query(str):
    """A name that was looked up.

    Attributes:
        age_ms: how long before.
    """

    __slots__ = ("age_ms",)
    age_ms: float


class QueryColumn(Column):
    """The column of the name whose look-up gave the remote address of ``row.ends``.

    Attributes:
        answers: the ``@socket_filter`` that lets answers of the DNS through.
    """

    answers: Any = None

    def reader(self, tracing: Tracing) -> Callable[[Any], Any]:
        """Begin to read answers; return what makes the name of a record."""
        watched = Watched(tracing.session, self.answers)
        return lambda row: watched.query(plain(row.ends.raddr), row.ts_ns)

    def cell(self, value: Any) -> str:
        """Return the name, and how long ago it was looked up if that is long."""
        text = super().cell(value)
        is_old = isinstance(value, Query) and value.age_ms > _RECENT_MS
        return f"{text} ({value.age_ms:.3f}ms)" if is_old else text


class Watched:
    """Answers of the DNS that come while connections are traced.

    Args:
        session: which has loaded the filter.
        answers: the filter.
    """

    def __init__(self, session: Session, answers: Any) -> None:
        # By name: tools that are not asked for names do without the module ``socket``.
        self._names = importlib.import_module("pyebpf.host.dns").Names()
        self._sniffer = importlib.import_module("pyebpf.host.sniff").Sniffer(_ROOM)
        weakref.finalize(self, self._sniffer.close)  # it is wanted as long as lines are printed
        session.attach(answers, socket=self._sniffer.socket)
        self._sniffer.begin()
        self._later: deque[Packet] = deque()

    def query(self, address: Address, time_ns: int) -> str | None:
        """Return the name by which an address was found at a time; None if that is not known."""
        if address.is_loopback:
            return "localhost"
        # Lines may be printed long after: what came later had not been looked up yet.
        self._later.extend(self._sniffer.taken())
        while self._later and self._later[0].time_ns <= time_ns:
            packet = self._later.popleft()
            self._names.add(_datagram(packet.data), packet.time_ns)
        known = self._names.of(address)
        if known is None:
            return "? (answers were lost)" if self._sniffer.missed else None
        query = Query(known[0])
        query.age_ms = (time_ns - known[1]) / _MS
        return query


def _datagram(packet: bytes) -> bytes:
    """Return what is behind the headers of a packet of IP and UDP."""
    is_v4 = packet[0] >> 4 == 4
    return packet[(packet[0] & 15) * 4 + _UDP_HEADER if is_v4 else _IPV6_HEADER + _UDP_HEADER :]
