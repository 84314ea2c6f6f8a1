"""Decorators of programs at packets and sockets.

``session.attach`` attaches those that do not say where.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

from pyebpf.dsl.probes.base import Decorator, Probe, hooked, one_of

_AT_MAPS = ("devmap", "cpumap")
_WAYS = ("ingress", "egress")
_NETFILTER = ("pre_routing", "local_in", "forward", "local_out", "post_routing")


@overload
def xdp(function: Callable[..., Any], /) -> Probe: ...
@overload
def xdp(*, device: str | None = None, entry_of: str = "", frags: bool = False) -> Decorator: ...
def xdp(
    function: Callable[..., Any] | None = None,
    /,
    *,
    device: str | None = None,
    entry_of: str = "",
    frags: bool = False,
) -> Probe | Decorator:
    """Run for each packet that a network device receives, before the kernel does anything with it.

    The program gets an :class:`XdpContext` and gives ``XDP_PASS``, ``XDP_DROP``, ``XDP_TX``,
    ``XDP_REDIRECT`` or ``XDP_ABORTED``.

    Args:
        function: the program, where the decorator has no parentheses.
        device: the name of the device to attach to, ``"eth0"``; a constant (``Const``) for example.
        entry_of: for packets that a map redirects: ``"devmap"`` or ``"cpumap"``.
        frags: packets may be in several pieces, of which only the first can be read in place.

    Since:  Linux 4.8; ``devmap`` 5.8, ``cpumap`` 5.9, ``frags`` 5.18.
    """
    kind = f"xdp_{one_of('xdp', entry_of, _AT_MAPS)}" if entry_of else "xdp"
    decorate = hooked(f"{kind}.frags" if frags else kind, at={"device": device})
    return decorate if function is None else decorate(function)


@overload
def tc(function: Callable[..., Any], /) -> Probe: ...
@overload
def tc(way: str = "", /, *, device: str | None = None) -> Decorator: ...
def tc(way: str | Callable[..., Any] = "", /, *, device: str | None = None) -> Probe | Decorator:
    """Run for each packet that passes a network device: where it comes in, or where it goes out.

    The program gets an :class:`SkBuffContext` and gives ``TC_ACT_UNSPEC`` (the next one decides),
    ``TC_ACT_OK``, ``TC_ACT_SHOT`` or ``TC_ACT_REDIRECT``.

    Args:
        way: ``"ingress"`` or ``"egress"``; without it, where it is attached decides.
        device: the name of the device to attach to, ``"eth0"``; a constant (``Const``) for example.

    Since:  Linux 4.5; by a link (tcx) 6.6.
    """
    if callable(way):
        return hooked("tc")(way)
    kind = f"tcx_{one_of('tc', way, _WAYS)}" if way else "tc"
    return hooked(kind, at={"device": device})


def tc_action(function: Callable[..., Any]) -> Probe:
    """Run as an action of a traffic control filter. Since Linux 4.1."""
    return hooked("tc_action")(function)


@overload
def socket_filter(function: Callable[..., Any], /) -> Probe: ...
@overload
def socket_filter(*, when: Any = True) -> Decorator: ...
def socket_filter(
    function: Callable[..., Any] | None = None, /, *, when: Any = True
) -> Probe | Decorator:
    """Run for each packet that a socket gets, and say how many bytes of it to keep; 0 drops it.

    The program gets an :class:`SkBuffContext`. Since Linux 3.19.

    Args:
        function: the program, if the decorator has no arguments.
        when: load only if this constant (see ``Const``) is true.
    """
    decorator = hooked("socket_filter", when=when)
    return decorator if function is None else decorator(function)


def flow_dissector(function: Callable[..., Any]) -> Probe:
    """Find the headers of packets in a network namespace, in the kernel's place. Since 4.20."""
    return hooked("flow_dissector")(function)


@overload
def netfilter(function: Callable[..., Any], /) -> Probe: ...
@overload
def netfilter(
    hook: str, /, *, family: str = "ipv4", priority: int = 0, defrag: bool = False
) -> Decorator: ...
def netfilter(
    hook: str | Callable[..., Any],
    /,
    *,
    family: str = "ipv4",
    priority: int = 0,
    defrag: bool = False,
) -> Probe | Decorator:
    """Run for each packet at a netfilter hook; gives ``NF_ACCEPT`` or ``NF_DROP``.

    The program gets a :class:`NetfilterContext`. It is for the network namespace of the process
    that attaches it.

    Args:
        hook: ``"pre_routing"``, ``"local_in"``, ``"forward"``, ``"local_out"``, ``"post_routing"``;
            without it ``session.attach(…, netfilter="local_in")`` attaches.
        family: ``"ipv4"`` or ``"ipv6"``.
        priority: the place among what else stands there, lower first; each has one of its own.
        defrag: packets in fragments arrive whole; ``priority`` is then above -400.

    Since:  Linux 6.4.
    """
    if callable(hook):
        return hooked("netfilter")(hook)
    word = one_of("netfilter", hook, _NETFILTER)
    at = {"netfilter": word, "family": one_of("netfilter", family, ("ipv4", "ipv6"))}
    return hooked("netfilter", at={**at, "priority": priority, "defrag": defrag})


def lwt(way: str) -> Decorator:
    """Run for the packets of a route with ``encap bpf``.

    Args:
        way: ``"in"``, ``"out"``, ``"xmit"`` or ``"seg6local"``.

    Since:  Linux 4.10.
    """
    return hooked(f"lwt_{one_of('lwt', way, ('in', 'out', 'xmit', 'seg6local'))}")


def sk_lookup(function: Callable[..., Any]) -> Probe:
    """Choose the socket for new connections and packets of a network namespace. Since Linux 5.9."""
    return hooked("sk_lookup")(function)


@overload
def sk_reuseport(function: Callable[..., Any], /) -> Probe: ...
@overload
def sk_reuseport(*, migrate: bool = False) -> Decorator: ...
def sk_reuseport(
    function: Callable[..., Any] | None = None, /, *, migrate: bool = False
) -> Probe | Decorator:
    """Choose among sockets that listen at one port.

    Args:
        function: the program, where the decorator has no parentheses.
        migrate: also when a socket that was chosen closes (Linux 5.14).

    Since:  Linux 4.19.
    """
    decorate = hooked("sk_reuseport_migrate" if migrate else "sk_reuseport")
    return decorate if function is None else decorate(function)


def sk_skb(what: str) -> Decorator:
    """Run for what the sockets of a sockmap receive.

    Args:
        what: ``"parser"`` says how long the next message is; ``"verdict"`` and ``"stream_verdict"``
            (which goes with a parser) say where it goes.

    Since:  Linux 4.14; ``"verdict"`` 5.13.
    """
    return hooked(f"sk_skb_{one_of('sk_skb', what, ('parser', 'stream_verdict', 'verdict'))}")


def sk_msg(function: Callable[..., Any]) -> Probe:
    """Run for what the sockets of a sockmap send; gives ``SK_PASS`` or ``SK_DROP``. Since 4.17."""
    return hooked("sk_msg")(function)
