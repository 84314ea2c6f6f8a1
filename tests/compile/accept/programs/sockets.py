"""Programs at sockets and cgroups: addresses that are changed, verdicts, options, connections."""

from pyebpf import (
    DeviceContext,
    Hash,
    NetfilterContext,
    Ptr,
    SkBuffContext,
    SkLookupContext,
    SkMsgContext,
    SkReuseportContext,
    SockAddrContext,
    SockContext,
    SockOpsContext,
    SockoptContext,
    SysctlContext,
    cgroup_device,
    cgroup_sock,
    cgroup_sock_addr,
    cgroup_sockopt,
    cgroup_sysctl,
    htons,
    i32,
    lsm_cgroup,
    netfilter,
    record,
    sk_lookup,
    sk_msg,
    sk_reuseport,
    sk_skb,
    sock_ops,
    u32,
    u64,
)
from pyebpf.kernel import sockaddr, socket

counts = Hash[u32, u64](max_entries=64)
LOCALHOST = 0x0100007F


@record
class Word:
    value: u32


@cgroup_sock_addr("connect4")
def redirect(ctx: SockAddrContext) -> i32:
    if ctx.user_port == htons(53):
        ctx.user_ip4 = LOCALHOST
        ctx.user_port = htons(5353)
    return 1


@cgroup_sock_addr("recvmsg6")
def receive(ctx: SockAddrContext) -> i32:
    ctx.user_ip6[3] = 1
    return 1


@cgroup_sock("sock_create")
def create(ctx: SockContext) -> i32:
    ctx.mark = 9
    return 1 if ctx.type == 1 else 0


@sock_ops
def connected(ctx: SockOpsContext) -> i32:
    if ctx.op == 4 or ctx.args[0] > 2:
        ctx.reply = 10
        ctx.sk_txhash = ctx.replylong[1]
    counts[ctx.local_port] += ctx.bytes_acked
    return 1


@cgroup_sockopt("set")
def set_option(ctx: SockoptContext) -> i32:
    value = ctx.packet(Word)
    if value is not None and ctx.optname == 7:
        value.value *= 2
        ctx.optlen = 4
    return 1


@cgroup_sysctl
def tune(ctx: SysctlContext) -> i32:
    return 0 if ctx.write else 1


@cgroup_device
def device(ctx: DeviceContext) -> i32:
    return 1 if ctx.major == 1 and ctx.minor == 3 else 0


@lsm_cgroup("socket_bind")
def bind(sock: Ptr[socket], address: Ptr[sockaddr], length: i32) -> i32:
    return 1 if sock.type == 1 else 0


@sk_lookup
def look_up(ctx: SkLookupContext) -> i32:
    return 0 if ctx.local_port == 7 else 1


@sk_msg
def send(ctx: SkMsgContext) -> i32:
    word = ctx.packet(Word)
    return 0 if word is not None and word.value == 0 else 1


@sk_skb("verdict")
def receive_verdict(ctx: SkBuffContext) -> i32:
    return 1 if ctx.len else 0


@sk_skb("parser")
def parse(ctx: SkBuffContext) -> i32:
    return ctx.len


@sk_reuseport
def choose(ctx: SkReuseportContext) -> i32:
    return 1 if ctx.ip_protocol == 6 else 0


@netfilter
def accept(ctx: NetfilterContext) -> i32:
    return 1 if ctx.state.hook == 1 and ctx.skb.len else 0
