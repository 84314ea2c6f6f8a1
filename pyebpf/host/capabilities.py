"""Names of capabilities."""

from __future__ import annotations

from pyebpf.abi.capability import CAPABILITIES

_NAMES = {bit: name for name, bit in CAPABILITIES.items()}


def capability_name(number: int) -> str:
    """Return the name of a capability, ``"CAP_SYS_ADMIN"``; ``"?"`` for one of tomorrow."""
    return _NAMES.get(number, "?")
