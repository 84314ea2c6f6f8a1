"""What functions do outside a probe, where they have no meaning."""

from __future__ import annotations

from typing import NoReturn

from pyebpf.errors import PyebpfError


def outside() -> NoReturn:
    """Refuse a call of a function that exists in probes only."""
    raise PyebpfError("this function works in a probe only")
