"""Attaching a loaded program: one file for each strategy, named in one table.

To add a strategy: a file here with a function of the type :data:`Strategy`, and one row below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.errors import NotSupportedError
from pyebpf.runtime.links.base import Link as Link
from pyebpf.runtime.links.base import Request, Strategy
from pyebpf.runtime.links.perf import attach_tracepoint
from pyebpf.runtime.links.tracing import attach_raw_tp, attach_trace
from pyebpf.runtime.tracefs import Tracefs

if TYPE_CHECKING:
    from pyebpf.abi.programs import ProgramKind
    from pyebpf.spec.target import Features

#: How to attach, by the name in a row of ``pyebpf.abi.programs``.
STRATEGIES: dict[str, Strategy] = {
    "tracepoint": attach_tracepoint,
    "raw_tp": attach_raw_tp,
    "trace": attach_trace,
}


def attach(
    prog_fd: int,
    kind: ProgramKind,
    hook: str,
    *,
    cookie: int = 0,
    tracefs: Tracefs | None = None,
    features: Features | None = None,
) -> Link:
    """Attach a loaded program to its hook; the caller owns the link.

    Args:
        prog_fd: the program.
        kind: its row.
        hook: where, as in the section's name, ``"sched/sched_switch"``, or with a colon.
        cookie: what ``bpf_get_attach_cookie`` returns there.
        tracefs: where tracepoints are looked up; opened for this call by default.
        features: what the kernel can do; probed by trying by default.

    Raises:
        AttachError: there is no such hook; the message names the nearest.
        NotSupportedError: programs of this kind are not attached like this, or not by this kernel.
        KernelError: the kernel refused.
    """
    strategy = STRATEGIES.get(kind.strategy or "")
    if strategy is None:
        reason = kind.reason or f"there is no {kind.strategy!r} strategy in pyebpf.runtime.links"
        raise NotSupportedError(f"a {kind.name!r} program cannot be attached: {reason}")
    if tracefs is not None:
        return strategy(Request(prog_fd, kind, hook, cookie, tracefs, features))
    with Tracefs() as opened:
        return strategy(Request(prog_fd, kind, hook, cookie, opened, features))
