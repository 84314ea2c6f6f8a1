"""TCP and packets: connections that are made, change, carry data, lose it; their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pyebpf.dsl.access import cast
from pyebpf.dsl.builtins import tid
from pyebpf.dsl.byte_order import ntohs
from pyebpf.dsl.maps import Hash
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.dsl.probes.tracing import raw_tracepoint, tp_btf, tracepoint
from pyebpf.dsl.scalars import Ptr, RawTracepointContext, TracepointContext, i32, u16, u32, u64
from pyebpf.kernel import inet_sock, msghdr, sk_buff, sock, socket
from pyebpf.lib.fs import file_of, is_socket
from pyebpf.lib.sources import at_entry, at_exit, source

AF_INET, AF_INET6 = 2, 10  # include/linux/socket.h
IPPROTO_TCP, IPPROTO_MPTCP = 6, 262  # include/uapi/linux/in.h
_TCP_SYN_SENT = 2  # include/net/tcp_states.h

#: What is called with a socket.
OnSocket = Callable[[Ptr[sock]], None]
#: What is called with a socket and a number of bytes.
OnBytes = Callable[[Ptr[sock], u64], None]
#: What is called with a socket and two states.
OnState = Callable[[Ptr[sock], i32, i32], None]
#: What is called with a socket and a packet.
OnPacket = Callable[[Ptr[sock], Ptr[sk_buff]], None]
#: What is called with a packet and an address in the kernel.
OnDrop = Callable[[Ptr[sk_buff], u64], None]


def connecting(*, when: Any = True, port: Any = True) -> Callable[[OnSocket], Alternatives]:
    """Run when a TCP connection is begun from here, its ends known: ``(sk: Ptr[sock])``.

    Where functions of the kernel cannot be traced, the change of the socket's state is. It has no
    port yet then, unless it was bound, so this waits for the end of the system call ``connect``,
    which may be the end of a long attempt. What begins by another call has port 0.

    Args:
        when: as of every source.
        port: whether the local port must be known; may be an option. Without, nothing waits.
    """

    def ways(run: OnSocket) -> Iterable[Probe | tuple[Probe, ...]]:
        def call(sk: Ptr[sock]) -> None:
            run(sk)

        calls = Hash[u32, Ptr[sock]](max_entries=10_240)

        def note(sk: Ptr[sock], new: i32) -> None:
            if new != _TCP_SYN_SENT or sk.sk_protocol != IPPROTO_TCP:
                return
            if port and not local_port(sk) and tid() in calls:
                calls[tid()] = sk
            else:
                run(sk)

        @tp_btf("inet_sock_set_state", when=when)
        def typed(sk: Ptr[sock], _: i32, new: i32) -> None:
            note(sk, new)

        @raw_tracepoint("inet_sock_set_state", when=when)
        def untyped(ctx: RawTracepointContext) -> None:
            note(cast(Ptr[sock], ctx.args[0]), cast(i32, ctx.args[2]))

        @tracepoint("syscalls:sys_enter_connect", when=port if when is True else when)
        def is_called(_: TracepointContext) -> None:
            calls[tid()] = cast(Ptr[sock], 0)

        @tracepoint("syscalls:sys_exit_connect", when=port if when is True else when)
        def returns(_: TracepointContext) -> None:
            sk = calls.pop(tid())
            if sk:
                run(sk)

        by_function = at_entry("tcp_connect", call, when)
        return *by_function, (typed, is_called, returns), (untyped, is_called, returns)

    return source(ways)


def accepted(*, when: Any = True) -> Callable[[OnSocket], Alternatives]:
    """Run when a program gets a TCP connection that was made to it: ``(sk: Ptr[sock])``.

    Where functions of the kernel cannot be traced, the system calls are, and the socket is found
    from the new descriptor; connections that io_uring accepts are not seen there.
    """

    def ways(run: OnSocket) -> Iterable[Probe]:
        def call(ret: Ptr[sock]) -> None:
            if ret:
                run(ret)

        @tracepoint("syscalls:sys_exit_accept4", when=when)
        @tracepoint("syscalls:sys_exit_accept", when=when)
        def returns(ctx: TracepointContext) -> None:
            sk = socket_of(cast(i32, ctx.ret))
            if sk is not None and sk.sk_protocol in (IPPROTO_TCP, IPPROTO_MPTCP):
                run(sk)

        return *at_exit("inet_csk_accept", call, when), returns

    return source(ways)


def state_changed(*, when: Any = True) -> Callable[[OnState], Alternatives]:
    """Run when a socket goes from one state of TCP to another.

    The function is called with ``(sk: Ptr[sock], old: i32, new: i32)``; the numbers are those of
    ``include/net/tcp_states.h``.
    """

    def ways(run: OnState) -> Iterable[Probe]:
        @tp_btf("inet_sock_set_state", when=when)
        def typed(sk: Ptr[sock], old: i32, new: i32) -> None:
            run(sk, old, new)

        @raw_tracepoint("inet_sock_set_state", when=when)
        def untyped(ctx: RawTracepointContext) -> None:
            run(cast(Ptr[sock], ctx.args[0]), cast(i32, ctx.args[1]), cast(i32, ctx.args[2]))

        return typed, untyped

    return source(ways)


def sent(*, when: Any = True) -> Callable[[OnBytes], Alternatives]:
    """Run when a program gives data to a TCP socket: ``(sk: Ptr[sock], size: u64)``, bytes."""

    def ways(run: OnBytes) -> Iterable[Probe]:
        def call(sk: Ptr[sock], _: Ptr[msghdr], size: u64) -> None:
            run(sk, size)

        return at_entry("tcp_sendmsg", call, when)

    return source(ways)


def received(*, when: Any = True) -> Callable[[OnBytes], Alternatives]:
    """Run when a program has taken data from a TCP socket: ``(sk: Ptr[sock], size: u64)``."""

    def ways(run: OnBytes) -> Iterable[Probe]:
        def call(sk: Ptr[sock], copied: i32) -> None:
            if copied > 0:
                run(sk, copied)

        return at_entry("tcp_cleanup_rbuf", call, when)

    return source(ways)


def retransmitted(*, when: Any = True) -> Callable[[OnPacket], Alternatives]:
    """Run when TCP sends something once more: ``(sk: Ptr[sock], skb: Ptr[sk_buff])``."""

    def ways(run: OnPacket) -> Iterable[Probe]:
        @tp_btf("tcp_retransmit_skb", when=when)
        def typed(sk: Ptr[sock], skb: Ptr[sk_buff]) -> None:
            run(sk, skb)

        @raw_tracepoint("tcp_retransmit_skb", when=when)
        def untyped(ctx: RawTracepointContext) -> None:
            run(cast(Ptr[sock], ctx.args[0]), cast(Ptr[sk_buff], ctx.args[1]))

        return typed, untyped

    return source(ways)


def dropped(*, when: Any = True) -> Callable[[OnDrop], Alternatives]:
    """Run when the kernel throws a packet away.

    The function is called with ``(skb: Ptr[sk_buff], location: u64)``, the place in the kernel's
    code.
    """

    def ways(run: OnDrop) -> Iterable[Probe]:
        @tp_btf("kfree_skb", when=when)
        def typed(skb: Ptr[sk_buff], location: u64) -> None:
            run(skb, location)

        @raw_tracepoint("kfree_skb", when=when)
        def untyped(ctx: RawTracepointContext) -> None:
            run(cast(Ptr[sk_buff], ctx.args[0]), ctx.args[1])

        return typed, untyped

    return source(ways)


def socket_of(fd: i32) -> Ptr[sock] | None:
    """Return the IP socket with a descriptor of the current process; None if it is none."""
    opened = file_of(fd)
    if opened is None or not is_socket(opened):
        return None
    found: Ptr[sock] = cast(Ptr[socket], opened.private_data).sk
    return found if family(found) in (AF_INET, AF_INET6) else None


def family(sk: Ptr[sock]) -> u16:
    """Return a socket's address family: ``AF_INET`` or ``AF_INET6``."""
    number: u16 = sk.__sk_common.skc_family  # noqa: SLF001 - the kernel's name
    return number


def local_port(sk: Ptr[sock]) -> u16:
    """Return the port of a socket here, in this machine's byte order; 0 if it has none yet."""
    port: u16 = sk.__sk_common.skc_num  # noqa: SLF001
    # A socket that closes has given its number back (`inet_put_port`), and keeps this copy.
    return port or ntohs(cast(Ptr[inet_sock], sk).inet_sport)


def remote_port(sk: Ptr[sock]) -> u16:
    """Return the port at the other end, in this machine's byte order."""
    return ntohs(sk.__sk_common.skc_dport)  # noqa: SLF001
