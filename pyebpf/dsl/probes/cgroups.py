"""Decorators of programs for the processes of a cgroup.

Without its path, ``session.attach(…, cgroup=…)`` attaches them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyebpf.dsl.probes.base import Decorator, Probe, hooked, named, one_of

_WAYS = ("ingress", "egress", "")
_SOCK = ("sock_create", "sock_release", "post_bind4", "post_bind6")
_ADDR = (
    "bind4", "bind6", "connect4", "connect6", "connect_unix", "sendmsg4", "sendmsg6",
    "sendmsg_unix", "recvmsg4", "recvmsg6", "recvmsg_unix", "getpeername4", "getpeername6",
    "getpeername_unix", "getsockname4", "getsockname6", "getsockname_unix",
)  # fmt: skip


def cgroup_skb(way: str = "", *, cgroup: str | None = None) -> Decorator:
    """Run for each packet of the cgroup's sockets, and say whether it passes: 1, or 0.

    Args:
        way: ``"ingress"`` or ``"egress"``; without it, where it is attached decides.
        cgroup: the path of its directory.

    Since:  Linux 4.10.
    """
    word = one_of("cgroup_skb", way, _WAYS)
    return hooked(f"cgroup_skb_{word}" if word else "cgroup_skb", at={"cgroup": cgroup})


def cgroup_sock(event: str, *, cgroup: str | None = None) -> Decorator:
    """Run when a process makes, binds or closes a socket, and say whether it may: 1, or 0.

    Args:
        event: ``"sock_create"``, ``"sock_release"``, ``"post_bind4"`` or ``"post_bind6"``.
        cgroup: the path of its directory.

    Since:  Linux 4.10; ``sock_release`` 5.9, the others 4.17.
    """
    return hooked(f"cgroup_{one_of('cgroup_sock', event, _SOCK)}", at={"cgroup": cgroup})


def cgroup_sock_addr(call: str, *, cgroup: str | None = None) -> Decorator:
    """Run when a process gives or gets an address of a socket; may change it, or refuse with 0.

    Args:
        call: ``"bind"``, ``"connect"``, ``"sendmsg"``, ``"recvmsg"``, ``"getpeername"`` or
            ``"getsockname"``, followed by ``4`` or ``6``; by ``_unix`` all but the first.
        cgroup: the path of its directory.

    Since:  Linux 4.17 (``sendmsg`` 4.18, ``recvmsg`` 5.2, ``get…`` 5.8, ``_unix`` 6.7).
    """
    return hooked(f"cgroup_{one_of('cgroup_sock_addr', call, _ADDR)}", at={"cgroup": cgroup})


def cgroup_sockopt(way: str, *, cgroup: str | None = None) -> Decorator:
    """Run when a process sets (``"set"``) or gets (``"get"``) an option of a socket. Since 5.3.

    Args:
        way: ``"set"`` or ``"get"``.
        cgroup: the directory of the cgroup; without it, ``session.attach`` says.
    """
    word = one_of("cgroup_sockopt", way, ("get", "set"))
    return hooked(f"cgroup_{word}sockopt", at={"cgroup": cgroup})


def cgroup_sysctl(function: Callable[..., Any]) -> Probe:
    """Run when a process reads or writes below /proc/sys; gives 1 if it may. Since Linux 5.2."""
    return hooked("cgroup_sysctl")(function)


def cgroup_device(function: Callable[..., Any]) -> Probe:
    """Run when a process opens or makes a device file; gives 1 if it may. Since Linux 4.15."""
    return hooked("cgroup_dev")(function)


def sock_ops(function: Callable[..., Any]) -> Probe:
    """Run at events of the TCP connections of a cgroup; ``ctx.op`` says which. Since Linux 4.13."""
    return hooked("sock_ops")(function)


def lsm_cgroup(hook: str, *, cgroup: str | None = None) -> Decorator:
    """Run at a hook for security modules, for the processes of a cgroup; gives 1 if it may.

    Args:
        hook: its name, ``"socket_bind"``.
        cgroup: the path of its directory.

    Since:  Linux 6.0.
    """
    return named("lsm_cgroup", hook, "socket_bind", True, {"cgroup": cgroup})
