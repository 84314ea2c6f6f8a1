"""Attaching a loaded program: one file for each strategy, named in one table.

To add a strategy: a file here with a function of the type :data:`Strategy`, and one row below,
which also names what a program must say of the place.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pyebpf.errors import AttachError, NotSupportedError
from pyebpf.plain import Frozen
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.links.base import Link as Link
from pyebpf.runtime.links.base import Request, Strategy
from pyebpf.runtime.tracefs import Tracefs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyebpf.abi.programs import ProgramKind
    from pyebpf.runtime.program import Program
    from pyebpf.spec.target import Features


class How(Frozen):
    """A strategy, by module and function, and what it cannot attach without.

    A warm start imports only what it uses.

    Attributes:
        module: of this package.
        function: in it.
        takes: what ``at`` may have, in one text.
        needs: what ``at`` must have.
        needs_at: the same for single hooks.
        has_cookies: programs there can ask for the number of their attachment.
    """

    module: str
    function: str
    takes: str = ""
    needs: str = ""
    needs_at: tuple[tuple[str, str], ...] = ()
    has_cookies: bool = True

    @property
    def strategy(self) -> Strategy:
        """The function."""
        found: Strategy = getattr(import_module(f"{__name__}.{self.module}"), self.function)
        return found

    def missing(self, hook: str, at: Mapping[str, Any]) -> str:
        """Return what ``at`` must have for a hook and has not; "" if nothing is missing."""
        need = dict(self.needs_at).get(hook, self.needs)
        return "" if need in at else need

    def unknown(self, at: Mapping[str, Any]) -> list[str]:
        """Return what ``at`` has and may not have."""
        return [name for name in at if name not in (*self.takes.split(), *_ALWAYS)]


#: Programs without ``bpf_get_attach_cookie``.
_numberless = partial(How, has_cookies=False)
#: What iterators need to know that do not visit everything of their kind.
_VISITED = (("bpf_map_elem", "map"), ("bpf_sk_storage_map", "map"), ("cgroup", "cgroup"))
#: How to attach, by the name in a row of ``pyebpf.abi.programs``.
STRATEGIES: dict[str, How] = {
    "tracepoint": How("perf", "attach_tracepoint"),
    "raw_tp": How("tracing", "attach_raw_tp"),
    "trace": How("tracing", "attach_trace"),
    "fentry": How("tracing", "attach_trace"),
    "lsm": How("tracing", "attach_trace"),
    "kprobe": How("probes", "attach_kprobe"),
    "ksyscall": How("probes", "attach_ksyscall"),
    "kprobe_multi": How("probes", "attach_kprobe_multi", "cookies"),
    "uprobe": How("probes", "attach_uprobe", "pid"),
    "uprobe_multi": How("probes", "attach_uprobe_multi", "pid cookies"),
    "usdt": How("usdt", "attach_usdt", "pid"),
    "perf_event": How(
        "counting", "attach_perf_event", "event freq_hz period pid inherit cgroup cpu"
    ),
    "iter": _numberless("iterators", "attach_iter", "map cgroup order pid", needs_at=_VISITED),
    "xdp": _numberless("devices", "attach_xdp", "device mode", "device"),
    "tc": _numberless("devices", "attach_tc", "device way", "device"),
    "cgroup": _numberless("cgroups", "attach_cgroup", "cgroup way", "cgroup"),
    "socket": _numberless("sockets", "attach_socket", "socket", "socket"),
    "sockmap": _numberless("sockets", "attach_sockmap", "sockets", "sockets"),
    "netns": _numberless("namespaces", "attach_netns", "netns", "netns"),
    "netfilter": _numberless(
        "namespaces", "attach_netfilter", "netfilter family priority defrag", "netfilter"
    ),
}
#: What every strategy is given besides: what the caller of ``attach`` has used already, and what a
#: program declares, or its decorator says of it.
_ALWAYS = ("cookie", "target", "arguments", "abi", "takes_arguments")


def lacks(kind: ProgramKind, hook: str, at: Mapping[str, Any]) -> str:
    """Say what keeps a program from being attached when it is loaded; "" if nothing does."""
    how = STRATEGIES.get(kind.strategy or "")
    if how is None:
        return kind.reason or "pyebpf does not attach programs of this kind"
    missing = how.missing(hook, at)
    return f"session.attach(…, {missing}=…) says where" if missing else ""


def attach(  # noqa: PLR0913 - one argument for each thing that attaching depends on
    prog_fd: int,
    kind: ProgramKind,
    hook: str,
    *,
    cookie: int = 0,
    at: Mapping[str, Any] = MappingProxyType({}),
    tracefs: Tracefs | None = None,
    features: Features | None = None,
    program: Program | None = None,
) -> Link:
    """Attach a loaded program to its hook; the caller owns the link.

    Args:
        prog_fd: the program.
        kind: its row.
        hook: where, as in the section's name, ``"sched/sched_switch"``, or with a colon.
        cookie: what ``bpf_get_attach_cookie`` returns there.
        at: what the hook's name does not say: ``device``, ``cgroup``, ``pid``, ….
        tracefs: where tracepoints are looked up; opened for this call by default.
        features: what the kernel can do; probed by default.
        program: what ``prog_fd`` is the descriptor of, for hooks that a program is adapted to.

    Raises:
        AttachError: there is no such hook; the message names the nearest.
        NotSupportedError: programs of this kind are not attached like this, or not by this kernel.
        KernelError: the kernel refused.
    """
    how = STRATEGIES.get(kind.strategy or "")
    if how is None:
        reason = kind.reason or f"pyebpf does not attach {kind.strategy!r} programs yet"
        raise NotSupportedError(f"a {kind.name!r} program cannot be attached: {reason}")
    if unknown := how.unknown(at):
        takes = f"takes {', '.join(how.takes.split())}" if how.takes else "takes none of these"
        raise AttachError(f"attaching a {kind.name!r} program {takes}, and not {unknown[0]}=…")
    if cookie and not how.has_cookies:
        raise NotSupportedError(f"a {kind.name!r} program has no cookie: no kernel gives it one")
    if not 0 <= cookie < 1 << 64:
        raise AttachError(f"{cookie!r} is no cookie: it is an unsigned 64-bit number")
    if missing := how.missing(hook, at):
        raise AttachError(f"a {kind.name!r} program needs to know where: {missing}=…")
    known = features or KernelFeatures()
    if tracefs is not None:
        return how.strategy(Request(prog_fd, kind, hook, cookie, tracefs, known, at, program))
    with Tracefs() as opened:
        return how.strategy(Request(prog_fd, kind, hook, cookie, opened, known, at, program))
