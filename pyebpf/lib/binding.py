"""IP sockets that are bound: to which address and port, and with which options."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from pyebpf.dsl.access import cast, read_kernel, read_user
from pyebpf.dsl.builtins import has_field, ipv4, ipv6, tid
from pyebpf.dsl.maps import Hash
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.dsl.probes.tracing import fexit, kprobe, kretprobe, tracepoint
from pyebpf.dsl.records import record
from pyebpf.dsl.scalars import Ptr, TracepointContext, be16, i32, u8, u16, u32, u64
from pyebpf.kernel import inet_sock, sock, sockaddr, socket
from pyebpf.lib.net import AF_INET, AF_INET6, family, local_port, socket_of
from pyebpf.lib.sources import source

_NO_V4, _NO_V6 = IPv4Address(0), IPv6Address(0)

#: What :func:`options` gives: a bit for each of the options of these names.
IP_FREEBIND, IP_TRANSPARENT, IP_BIND_ADDRESS_NO_PORT, SO_REUSEADDR, SO_REUSEPORT = 1, 2, 4, 8, 16
# Bits of `inet_flags`, since Linux 6.6 (include/net/inet_sock.h).
_FREEBIND, _TRANSPARENT, _BIND_ADDRESS_NO_PORT = 11, 15, 18


@record
class Endpoint:
    """An address and a port. ``family`` says which address; the other one is 0."""

    v6: IPv6Address
    v4: IPv4Address
    port: u16
    family: u16


#: What is called with a socket, what it was to be bound to or is, and 0 or a negative error.
OnBound = Callable[[Ptr[sock], Endpoint, i32], None]


@record
class _Address4:
    """What ``struct sockaddr_in`` begins with (``include/uapi/linux/in.h``)."""

    family: u16
    port: be16
    v4: IPv4Address


@record
class _Address6:
    """What ``struct sockaddr_in6`` begins with (``include/uapi/linux/in6.h``)."""

    family: u16
    port: be16
    flowinfo: u32
    v6: IPv6Address


@record
class _Call:
    """A call that has not returned: of which socket or descriptor, and where the address is."""

    what: u64
    address: u64


_calls = Hash[u32, _Call](max_entries=10_240)


def bound(*, when: Any = True) -> Callable[[OnBound], Alternatives]:
    """Run when an IP socket has been bound by ``bind``, or could not be.

    The function is called with ``(sk: Ptr[sock], end: Endpoint, ret: i32)``: what the socket has
    now, or what was asked for if ``ret`` is a negative error number. Where functions of the kernel
    cannot be traced, the system call is; binds by the kernel itself are not seen there.
    """

    def ways(run: OnBound) -> Iterable[Probe | tuple[Probe, ...]]:
        @fexit("inet_bind", when=when)
        @fexit("inet6_bind", when=when)
        def typed(sock: Ptr[socket], uaddr: Ptr[sockaddr], _: i32, ret: i32) -> None:
            end = _asked_of_kernel(cast(u64, uaddr)) if ret < 0 else local_end(sock.sk)
            run(sock.sk, end, ret)

        @kprobe("inet_bind", when=when)
        @kprobe("inet6_bind", when=when)
        def begins(sock: Ptr[socket], uaddr: Ptr[sockaddr]) -> None:
            _calls[tid()] = _Call(what=cast(u64, sock), address=cast(u64, uaddr))

        @kretprobe("inet_bind", when=when)
        @kretprobe("inet6_bind", when=when)
        def ends(ret: i32) -> None:
            call = _calls.pop(tid())
            if call is not None:
                sk = cast(Ptr[socket], call.what).sk
                run(sk, _asked_of_kernel(call.address) if ret < 0 else local_end(sk), ret)

        @tracepoint("syscalls:sys_enter_bind", when=when)
        def is_called(ctx: TracepointContext) -> None:
            _calls[tid()] = _Call(what=ctx.fd, address=ctx.umyaddr)

        @tracepoint("syscalls:sys_exit_bind", when=when)
        def returns(ctx: TracepointContext) -> None:
            call = _calls.pop(tid())
            if call is not None and (sk := socket_of(cast(i32, call.what))) is not None:
                end = _asked_by_user(call.address) if ctx.ret < 0 else local_end(sk)
                run(sk, end, cast(i32, ctx.ret))

        return typed, (begins, ends), (is_called, returns)

    return source(ways)


def local_end(sk: Ptr[sock]) -> Endpoint:
    """Return what an IP socket is bound to."""
    number = family(sk)
    return Endpoint(
        family=number,
        port=local_port(sk),
        v4=ipv4(sk.__sk_common.skc_rcv_saddr if number == AF_INET else 0),  # noqa: SLF001
        v6=ipv6(sk.__sk_common.skc_v6_rcv_saddr) if number == AF_INET6 else _NO_V6,  # noqa: SLF001
    )


def _asked_of_kernel(address: u64) -> Endpoint:
    short, long = read_kernel(_Address4, address), read_kernel(_Address6, address)
    return _asked(short, long)


def _asked_by_user(address: u64) -> Endpoint:
    # An address of IPv4 is shorter: what is behind it may not be there.
    short, long = read_user(_Address4, address), read_user(_Address6, address)
    return _asked(short, long)


def _asked(short: _Address4, long: _Address6) -> Endpoint:
    is_long = short.family == AF_INET6
    return Endpoint(
        family=short.family,
        port=short.port,
        v4=_NO_V4 if is_long else short.v4,
        v6=long.v6 if is_long else _NO_V6,
    )


def options(sk: Ptr[sock]) -> u8:
    """Return which options a socket has: ``IP_FREEBIND`` and the other bits of this module."""
    inet = cast(Ptr[inet_sock], sk)
    bits: u32 = 0
    if has_field(inet_sock, "inet_flags"):
        flags: u64 = inet.inet_flags
        bits |= IP_FREEBIND * (flags >> _FREEBIND & 1)
        bits |= IP_TRANSPARENT * (flags >> _TRANSPARENT & 1)
        bits |= IP_BIND_ADDRESS_NO_PORT * (flags >> _BIND_ADDRESS_NO_PORT & 1)
    else:
        bits |= IP_FREEBIND * inet.freebind
        bits |= IP_TRANSPARENT * inet.transparent
        bits |= IP_BIND_ADDRESS_NO_PORT * inet.bind_address_no_port
    # SK_CAN_REUSE is 1; 2 and 3 are the kernel's own (include/net/sock.h).
    bits |= SO_REUSEADDR * (sk.__sk_common.skc_reuse == 1)  # noqa: SLF001
    bits |= SO_REUSEPORT * sk.__sk_common.skc_reuseport  # noqa: SLF001
    return bits
