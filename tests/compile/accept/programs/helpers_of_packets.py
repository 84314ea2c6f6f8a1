"""Helpers that take the context, a socket, or what a look-up gives and must be given back."""

from pyebpf import (
    SkBuffContext,
    SkMsgContext,
    SockAddrContext,
    SockOpsContext,
    SockoptContext,
    SysctlContext,
    XdpContext,
    cgroup_skb,
    cgroup_sock_addr,
    cgroup_sockopt,
    cgroup_sysctl,
    chars,
    Char,
    Hash,
    helpers,
    i32,
    record,
    sk_msg,
    sock_ops,
    tc,
    u16,
    u32,
    u64,
    xdp,
)

SUPPLIED = (
    "l3_csum_replace", "redirect", "sk_lookup_tcp", "skc_lookup_tcp", "get_socket_cookie",
    "get_socket_uid", "xdp_adjust_head", "xdp_adjust_tail", "setsockopt", "getsockopt",
    "sock_ops_cb_flags_set", "bind", "sysctl_get_name", "get_netns_cookie", "msg_pull_data",
    "msg_apply_bytes",
)
seen = Hash[u64, u64](max_entries=64)


@record
class Tuple4:
    source: u32
    target: u32
    source_port: u16
    target_port: u16


@record
class Word:
    value: u32


@record
class Name:
    text: Char = chars(64)


@tc("ingress")
def rewrite(ctx: SkBuffContext) -> i32:
    word = Word()
    if helpers.skb_load_bytes(ctx, 30, word, 4) < 0:
        return -1
    new = Word(value=word.value + 1)
    helpers.l3_csum_replace(ctx, 24, word.value, new.value, 4)
    helpers.skb_store_bytes(ctx, 30, new, 4, 0)
    helpers.skb_pull_data(ctx, 64)
    change = helpers.csum_diff(word, 4, new, 4, 0)
    seen[0] = change
    return helpers.redirect(ctx.ifindex, 1)


@tc("egress")
def of_a_listener(ctx: SkBuffContext) -> i32:
    where = Tuple4(target_port=80)
    found = helpers.sk_lookup_tcp(ctx, where, 12, -1, 0)
    if found is not None:
        seen[1] = found.mark
        helpers.sk_release(found)
    other = helpers.skc_lookup_tcp(ctx, where, 12, -1, 0)
    if other is not None:
        tcp = helpers.skc_to_tcp_sock(other)
        if tcp is not None:
            seen[2] = tcp.snd_cwnd
        helpers.sk_release(other)
    return -1


@cgroup_skb("egress")
def counted(ctx: SkBuffContext) -> i32:
    sk = ctx.sk
    if sk is None:
        return 1
    full = helpers.sk_fullsock(sk)
    if full is not None:
        tcp = helpers.tcp_sock(full)
        if tcp is not None:
            seen[3] = tcp.srtt_us + helpers.sk_cgroup_id(full)
    seen[helpers.get_socket_cookie(ctx)] = helpers.get_socket_uid(ctx)
    return 1


@xdp
def shortened(ctx: XdpContext) -> i32:
    if helpers.xdp_adjust_head(ctx, 14) < 0:
        return 0
    helpers.xdp_adjust_tail(ctx, -4)
    seen[4] = helpers.xdp_get_buff_len(ctx)
    return 2


@sock_ops
def options(ctx: SockOpsContext) -> i32:
    level = Word(value=5)
    helpers.setsockopt(ctx, 6, 13, level, 4)
    helpers.getsockopt(ctx, 6, 13, level, 4)
    helpers.sock_ops_cb_flags_set(ctx, 1)
    seen[5] = level.value
    return 1


@cgroup_sock_addr("connect4")
def bound(ctx: SockAddrContext) -> i32:
    address = Name()
    return 1 if helpers.bind(ctx, address, 16) == 0 else 0


@cgroup_sysctl
def named(ctx: SysctlContext) -> i32:
    name = Name()
    helpers.sysctl_get_name(ctx, name.text, 64, 0)
    return 1 if name.text != "kernel/panic" else 0


@cgroup_sockopt("get")
def cookies(ctx: SockoptContext) -> i32:
    seen[6] = helpers.get_netns_cookie(ctx)
    return 1


@sk_msg
def parts(ctx: SkMsgContext) -> i32:
    helpers.msg_pull_data(ctx, 0, 8, 0)
    helpers.msg_apply_bytes(ctx, 8)
    return 1
