"""Helpers of programs for packets and cgroups, by name, and what belongs to a cgroup."""

from pyebpf import (
    Array,
    CgroupStorage,
    Char,
    DevMap,
    FixedArray,
    Ptr,
    SkBuffContext,
    SockOpsContext,
    SysctlContext,
    XdpContext,
    XskMap,
    addressof,
    array,
    cgroup_skb,
    cgroup_sysctl,
    chars,
    fentry,
    helpers,
    i32,
    record,
    sizeof,
    sk_msg,
    sock_ops,
    tc,
    u8,
    u16,
    u32,
    u64,
    xdp,
)
from pyebpf.dsl.uapi import SkMsgContext
from pyebpf.kernel import path
from pyebpf import SockMap, SockHash, CgroupArray


@record
class Route:
    """``struct bpf_fib_lookup``."""

    family: u8
    protocol: u8
    source_port: u16
    target_port: u16
    length: u16
    ifindex: u32
    flow: u32
    source: FixedArray[u32] = array(4)
    target: FixedArray[u32] = array(4)
    hop: FixedArray[u8] = array(16)


@record
class Name:
    text: Char = chars(64)
    mtu: u32


@record
class Traffic:
    packets: u64
    octets: u64


ports = DevMap(max_entries=4)
queues = XskMap(max_entries=4)
peers = SockMap(max_entries=4)
flows = SockHash[u32](max_entries=4)
groups = CgroupArray(max_entries=4)
traffic = CgroupStorage[Traffic]()
out = Array[u64](max_entries=8)


@xdp
def routed(ctx: XdpContext) -> i32:
    route = Route(family=2, ifindex=ctx.ingress_ifindex)
    route.target[0] = 0x0100007F
    found = helpers.fib_lookup(ctx, route, sizeof(Route), 0)
    name = Name(mtu=0)
    fits = helpers.check_mtu(ctx, 0, name.mtu, 0)
    out[0] = name.mtu
    if found == 0 and fits == 0:
        return ports.redirect(0, 2)
    if helpers.xdp_adjust_head(ctx, -14) < 0:
        return queues.redirect(ctx.rx_queue_index, otherwise=1)
    return 2


@tc("ingress")
def shaped(ctx: SkBuffContext) -> i32:
    header = Name()
    helpers.skb_load_bytes(ctx, 0, header.text, 14)
    helpers.skb_store_bytes(ctx, 0, header.text, 6, 1)
    if groups.has_packet(0):
        return helpers.redirect(1)
    return helpers.csum_diff(None, 0, header.text, 16, 0) & 0


@cgroup_skb("egress")
def counted(ctx: SkBuffContext) -> i32:
    own = traffic.get()
    own.packets += 1
    own.octets += ctx.len
    return 1


@cgroup_sysctl
def named(ctx: SysctlContext) -> i32:
    name = Name()
    return 1 if helpers.sysctl_get_name(ctx, name.text, 64) > 0 else 0


@sock_ops
def connected(ctx: SockOpsContext) -> i32:
    option = Name()
    helpers.load_hdr_opt(ctx, option.text, 64)
    if ctx.op == 4:
        peers.add(0)
        flows.add(ctx.local_port)
    return 1


@sk_msg
def sent(ctx: SkMsgContext) -> i32:
    return peers.redirect(1)


@fentry("security_inode_getattr")
def named_file(where: Ptr[path]) -> None:
    name = Name()
    out[1] = helpers.d_path(where, name.text, 64)
