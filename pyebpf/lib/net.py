"""TCP and packets: connections that are made, change, carry data, lose it; their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pyebpf.dsl.access import cast, offsetof, read_kernel
from pyebpf.dsl.builtins import pid_tgid, tid
from pyebpf.dsl.byte_order import ntohs
from pyebpf.dsl.maps import Hash, LruHash
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives, first_of
from pyebpf.dsl.probes.tracing import fexit, kprobe, kretprobe, raw_tracepoint, tp_btf, tracepoint
from pyebpf.dsl.scalars import (
    Ptr,
    RawTracepointContext,
    TracepointContext,
    i32,
    i64,
    u16,
    u32,
    u64,
)
from pyebpf.kernel import inet_sock, request_sock, sk_buff, sock, socket, tcp_sock
from pyebpf.lib.fs import file_of, is_socket
from pyebpf.lib.sources import at_entry, at_exit, source

AF_INET, AF_INET6 = 2, 10  # include/linux/socket.h
IPPROTO_TCP, IPPROTO_MPTCP = 6, 262  # include/uapi/linux/in.h
_TCP_SYN_SENT = 2  # include/net/tcp_states.h
_MSG_PEEK, _MSG_ERRQUEUE = 0x2, 0x2000  # include/linux/socket.h

#: What is called with a socket.
OnSocket = Callable[[Ptr[sock]], None]
#: What is called with a socket and a number of bytes.
OnBytes = Callable[[Ptr[sock], u64], None]
#: Probes by exits, and by entries and exits.
Calls = tuple[tuple[Probe, ...], tuple[Probe, ...]]
#: What is called with a socket and two states.
OnState = Callable[[Ptr[sock], i32, i32], None]
#: What is called with a socket and a packet.
OnPacket = Callable[[Ptr[sock], Ptr[sk_buff]], None]
#: What is called with a socket and a connection that is asked for.
OnRequest = Callable[[Ptr[sock], Ptr[request_sock]], None]
#: What is called with a packet, an address in the kernel, a reason and a socket.
OnDrop = Callable[[Ptr[sk_buff], u64, u32, Ptr[sock]], None]


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
    """Run when TCP has taken data from a program: ``(sk: Ptr[sock], size: u64)``, bytes.

    It runs in the program, or a thread of the kernel, that sends.
    """

    def ways(run: OnBytes) -> Iterable[Probe | tuple[Probe, ...]]:
        # Before Linux 6.5 what sendfile and splice send had a function of its own. What there is
        # for both since then is a tracepoint, which came with 6.3.
        @tp_btf("sock_send_length", when=when)
        def by_tracepoint(sk: Ptr[sock], ret: i32) -> None:
            if ret > 0 and is_tcp(sk):
                run(sk, ret)

        def call(sk: Ptr[sock], ret: i32) -> None:
            if ret > 0:
                run(sk, ret)

        message, page = (_calls(name, call, when) for name in ("tcp_sendmsg", "tcp_sendpage"))
        both = [one + other for one, other in zip(message, page, strict=True)]
        return *both, by_tracepoint

    return source(ways)


def received(*, when: Any = True) -> Callable[[OnBytes], Alternatives]:
    """Run when a program has taken data from TCP: ``(sk: Ptr[sock], size: u64)``, bytes.

    It runs in the program, or a thread of the kernel, that receives. What is only looked at
    (``MSG_PEEK``) is not taken; before Linux 6.3 it may count once for each socket. What a program
    moves to a pipe (``splice``) is seen where functions of the kernel can be traced.
    """

    def ways(run: OnBytes) -> Iterable[Probe | tuple[Probe, ...]]:
        last = LruHash[u64, u32](max_entries=10_240)

        @tp_btf("sock_recv_length", when=when)
        def by_tracepoint(sk: Ptr[sock], ret: i32, flags: i32) -> None:
            if ret > 0 and not flags & (_MSG_PEEK | _MSG_ERRQUEUE) and is_tcp(sk):
                run(sk, ret)

        @fexit("tcp_splice_read", when=when)
        def by_splice(socket: Ptr[socket], ret: i64) -> None:
            if ret > 0:
                run(socket.sk, ret)

        def by_function(sk: Ptr[sock], copied: i32) -> None:
            # The function is told what a call has copied until now, some times in one call, and
            # also when nothing was taken. How far the program has come is the socket's to say.
            if copied <= 0:
                return
            now: u32 = cast(Ptr[tcp_sock], sk).copied_seq
            before = last.get(cast(u64, sk))
            last[cast(u64, sk)] = now
            size = copied if before is None else min(copied, cast(u32, now - before))
            if size:
                run(sk, size)

        functions = at_entry("tcp_cleanup_rbuf", by_function, when)
        return (by_tracepoint, by_splice), *functions, by_tracepoint

    return source(ways)


def _calls(function: str, run: Callable[[Ptr[sock], i32], None], when: Any) -> Calls:
    """Return the ways to be called at the end of a function, with its socket and its result."""
    inside = Hash[u64, Ptr[sock]](max_entries=10_240)

    @fexit(function, when=when)
    def done(sk: Ptr[sock], ret: i32) -> None:
        run(sk, ret)

    @kprobe(function, when=when)
    def begin(sk: Ptr[sock]) -> None:
        inside[pid_tgid()] = sk

    @kretprobe(function, when=when)
    def end(ret: i32) -> None:
        sk = inside.pop(pid_tgid())
        if sk is not None:
            run(sk, ret)

    return (done,), (begin, end)


def arrived(*, when: Any = True) -> Callable[[OnPacket], Alternatives]:
    """Run when a segment comes for an established TCP connection.

    The function is called with ``(sk: Ptr[sock], skb: Ptr[sk_buff])``, before the segment has
    changed anything.
    """

    def ways(run: OnPacket) -> Iterable[Probe]:
        @tp_btf("tcp_probe", when=when)
        def typed(sk: Ptr[sock], skb: Ptr[sk_buff]) -> None:
            run(sk, skb)

        def call(sk: Ptr[sock], skb: Ptr[sk_buff]) -> None:
            run(sk, skb)

        return typed, *at_entry("tcp_rcv_established", call, when)

    return source(ways)


def retransmitted(*, when: Any = True) -> Callable[[OnPacket], Alternatives]:
    """Run when TCP sends something once more: ``(sk: Ptr[sock], skb: Ptr[sk_buff])``."""

    def ways(run: OnPacket) -> Iterable[Probe]:
        # Newer kernels, 6.18 among them, also tell of attempts that failed, with the error.
        @tp_btf("tcp_retransmit_skb", when=when)
        def with_error(sk: Ptr[sock], skb: Ptr[sk_buff], err: i32) -> None:
            if not err:
                run(sk, skb)

        @tp_btf("tcp_retransmit_skb", when=when)
        def typed(sk: Ptr[sock], skb: Ptr[sk_buff]) -> None:
            run(sk, skb)

        @raw_tracepoint("tcp_retransmit_skb", when=when)
        def untyped(ctx: RawTracepointContext) -> None:
            run(cast(Ptr[sock], ctx.args[0]), cast(Ptr[sk_buff], ctx.args[1]))

        return with_error, typed, untyped

    return source(ways)


def answered_again(*, when: Any = True) -> Callable[[OnRequest], Alternatives]:
    """Run when TCP answers once more to what begins a connection, with SYN and ACK.

    The function is called with ``(sk: Ptr[sock], request: Ptr[request_sock])``: the socket that
    listens, and the connection to be.
    """

    def ways(run: OnRequest) -> Iterable[Probe]:
        @tp_btf("tcp_retransmit_synack", when=when)
        def typed(sk: Ptr[sock], request: Ptr[request_sock]) -> None:
            run(sk, request)

        return (typed,)

    return source(ways)


def sent_again(resent: OnPacket, probed: OnSocket, *, probes: Any = True) -> Alternatives:
    """Return what to load to have functions called when TCP sends because no answer comes.

    Args:
        resent: called as by :func:`retransmitted`.
        probed: called when a tail loss probe is about to be sent, ``(sk: Ptr[sock])``: new data or,
            where there is none, something once more, which then is ``resent`` as well. Not where
            the kernel lets nobody into its function ``tcp_send_loss_probe``.
        probes: whether to look for these; may be an option.
    """
    again = retransmitted()(resent).ways
    either = at_entry("tcp_send_loss_probe", probed, probes)
    seen = [(*way, probe) for probe in either for way in again]
    return first_of(*seen, *again, name=resent.__name__)


def is_seen(session: Any, probed: OnSocket) -> bool:
    """Tell whether a session calls a function that :func:`sent_again` was given for probes."""
    return any(info.name == probed.__name__ for info in session.compiled.programs)


def dropped(*, when: Any = True) -> Callable[[OnDrop], Alternatives]:
    """Run when the kernel throws a packet away.

    The function is called with ``(skb: Ptr[sk_buff], location: u64, reason: u32, sk: Ptr[sock])``:
    the place in the kernel's code; one of the kernel's ``enum skb_drop_reason``, 0 before Linux
    5.17, which has none; whose packet it is, None if that is not known.

    On those kernels, what TCP throws away because of what it received is seen where their function
    ``tcp_drop`` can be traced, without a location.
    """

    def ways(run: OnDrop) -> Iterable[Probe | tuple[Probe, ...]]:
        @tp_btf("kfree_skb", when=when)
        def with_socket(skb: Ptr[sk_buff], location: u64, reason: u32, rx_sk: Ptr[sock]) -> None:
            # The last argument is there since Linux 6.11: it knows also who was to receive.
            run(skb, location, reason, cast(Ptr[sock], cast(u64, rx_sk) or _owner(skb)))

        @tp_btf("kfree_skb", when=when)
        def with_reason(skb: Ptr[sk_buff], location: u64, reason: u32) -> None:
            run(skb, location, reason, cast(Ptr[sock], _owner(skb)))

        @tp_btf("kfree_skb", when=when)
        def typed(skb: Ptr[sk_buff], location: u64) -> None:
            run(skb, location, 0, cast(Ptr[sock], _owner(skb)))

        @raw_tracepoint("kfree_skb", when=when)
        def untyped(ctx: RawTracepointContext) -> None:
            skb = cast(Ptr[sk_buff], ctx.args[0])
            run(skb, ctx.args[1], 0, cast(Ptr[sock], _owner(skb)))

        def by_tcp(sk: Ptr[sock], skb: Ptr[sk_buff]) -> None:
            run(skb, 0, 0, sk)

        both = [(typed, probe) for probe in at_entry("tcp_drop", by_tcp, when)]
        return with_socket, with_reason, *both, typed, untyped

    return source(ways)


def _owner(skb: Ptr[sk_buff]) -> u64:
    # As a number: a pointer of which the verifier knows more would not go with one of others.
    return read_kernel(u64, cast(u64, skb) + offsetof(sk_buff, "sk"))


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


def is_tcp(sk: Ptr[sock]) -> bool:
    """Tell whether a socket is one of TCP over IPv4 or IPv6."""
    return family(sk) in (AF_INET, AF_INET6) and sk.sk_protocol == IPPROTO_TCP


def local_port(sk: Ptr[sock]) -> u16:
    """Return the port of a socket here, in this machine's byte order; 0 if it has none yet."""
    port: u16 = sk.__sk_common.skc_num  # noqa: SLF001
    # A socket that closes has given its number back (`inet_put_port`), and keeps this copy.
    return port or ntohs(cast(Ptr[inet_sock], sk).inet_sport)


def remote_port(sk: Ptr[sock]) -> u16:
    """Return the port at the other end, in this machine's byte order."""
    return ntohs(sk.__sk_common.skc_dport)  # noqa: SLF001
