"""Constants of bytes and IP addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl.typed_octets import OctetsData
from pyebpf.spec.types import IPV4, IPV6, U8, Octets

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.typed import Expr

#: By name: only a program that has addresses imports the module.
_IP = {"IPv4Address": IPV4, "IPv6Address": IPV6}


def octets_constant(value: Any, span: Span) -> Expr | None:
    """Return a constant of bytes, or an IP address; None if an object is neither."""
    if isinstance(value, bytes) and value:
        return OctetsData(Octets(U8, len(value)), span, value)
    kind = _IP.get(type(value).__name__) if type(value).__module__ == "ipaddress" else None
    if kind is None or getattr(value, "scope_id", None) is not None:
        return None
    return OctetsData(kind, span, value.packed)
