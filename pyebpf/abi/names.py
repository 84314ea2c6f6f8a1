"""Numbers back to names, for messages. Made on demand: a program that does not fail never needs them."""

from __future__ import annotations

from pyebpf.abi import constants


def map_type_name(number: int) -> str:
    """Return ``"hash"`` for ``BPF_MAP_TYPE_HASH``, or ``"kind 99"`` if it is not known."""
    return _name("BPF_MAP_TYPE_", number).lower() or f"kind {number}"


def prog_type_name(number: int) -> str:
    """Return ``"tracepoint"`` for ``BPF_PROG_TYPE_TRACEPOINT``, or ``"type 99"``."""
    return _name("BPF_PROG_TYPE_", number).lower() or f"type {number}"


def link_type_name(number: int) -> str:
    """Return ``"perf_event"`` for ``BPF_LINK_TYPE_PERF_EVENT``, or ``"type 99"``."""
    return _name("BPF_LINK_TYPE_", number).lower() or f"type {number}"


def attach_type_name(number: int) -> str:
    """Return ``"BPF_TRACE_RAW_TP"`` for its number, or ``"attach type 99"``."""
    names = list(vars(constants))
    first, last = names.index("BPF_CGROUP_INET_INGRESS"), names.index("BPF_TRACE_FSESSION_MULTI")
    for name in names[first : last + 1]:
        if getattr(constants, name) == number:
            return name
    return f"attach type {number}"


def command_name(number: int) -> str:
    """Return ``"BPF_MAP_CREATE"`` for 0, or ``"bpf command 99"``."""
    names = list(vars(constants))
    for name in names[names.index("BPF_MAP_CREATE") : names.index("BPF_MAP_TYPE_UNSPEC")]:
        if getattr(constants, name) == number:
            return name
    return f"bpf command {number}"


def _name(prefix: str, number: int) -> str:
    for name, value in vars(constants).items():
        if value == number and name.startswith(prefix):
            return name[len(prefix) :]
    return ""
