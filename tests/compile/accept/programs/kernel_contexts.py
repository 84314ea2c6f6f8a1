"""What the kernel itself has behind a context."""

from pyebpf import (
    Array,
    SkBuffContext,
    SockAddrContext,
    XdpContext,
    cgroup_sock_addr,
    i32,
    kernel_context,
    tc,
    u64,
    xdp,
)

out = Array[u64](max_entries=4)


@xdp
def received(ctx: XdpContext) -> i32:
    frame = kernel_context(ctx)
    out[0] = frame.rxq.queue_index
    out[1] = frame.rxq.dev.ifindex
    return 2


@tc("ingress")
def packet(ctx: SkBuffContext) -> i32:
    out[2] = kernel_context(ctx).len
    return 0


@cgroup_sock_addr("connect4")
def address(ctx: SockAddrContext) -> i32:
    out[3] = kernel_context(ctx).uaddrlen
    return 1
