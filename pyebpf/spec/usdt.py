"""What both halves must agree on about USDT probes."""

from __future__ import annotations


def reader(number: int) -> str:
    """Return the name of the function that gives argument ``number`` of a probe, from 0.

    It takes the context and returns 64 bits. The compiler leaves a stand-in; attaching replaces it
    by code that looks where the note of the probe says.
    """
    return f"pyebpf_usdt_{number}"
