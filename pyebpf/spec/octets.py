"""Python's values of bytes and IP addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address


def octets_value(role: str, data: bytes) -> bytes | IPv4Address | IPv6Address:
    """Return bytes of a role as Python's value."""
    if role == "bytes":
        return data
    return IPv4Address(data) if role == "IPv4Address" else IPv6Address(data)
