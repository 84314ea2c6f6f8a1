"""Python's values of bytes and IP addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.lazy import lazy

if TYPE_CHECKING:
    import ipaddress
    from ipaddress import IPv4Address, IPv6Address
else:
    ipaddress = lazy("ipaddress")


def octets_value(role: str, data: bytes) -> bytes | IPv4Address | IPv6Address:
    """Return bytes of a role as Python's value."""
    if role == "bytes":
        return data
    if role == "IPv4Address":
        return ipaddress.IPv4Address(data)
    return ipaddress.IPv6Address(data)
