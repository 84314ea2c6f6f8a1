"""Tracepoints by name, to say which fields a context has: ``TracepointContext[sched_switch]``.

Any name can be imported, without its category; what it must be is known when a probe is compiled,
from the tracepoint that the probe is attached to.
"""

from __future__ import annotations


class TracepointType(type):
    """The class of tracepoints: names, with nothing behind them until compilation."""

    tracepoint_name: str

    def __repr__(cls) -> str:
        return f"pyebpf.tracepoints.{cls.tracepoint_name}"


_made: dict[str, TracepointType] = {}


def __getattr__(name: str) -> TracepointType:
    if name.startswith("__"):
        raise AttributeError(name)
    if name not in _made:
        _made[name] = TracepointType(name, (), {"tracepoint_name": name, "__module__": __name__})
    return _made[name]
