"""Programs for packets: records in place, at constant and at computed places; fields to write."""

from pyebpf import (
    Bytes,
    Hash,
    SkBuffContext,
    XdpContext,
    cgroup_skb,
    flow_dissector,
    htons,
    i32,
    lwt,
    octets,
    record,
    socket_filter,
    tc,
    tc_action,
    u8,
    u16,
    u32,
    u64,
    xdp,
)


@record
class Ethernet:
    target: Bytes = octets(6)
    source: Bytes = octets(6)
    kind: u16


@record
class IP:
    version_length: u8
    service: u8
    length: u16
    id: u16
    fragment: u16
    ttl: u8
    protocol: u8
    check: u16
    source: u32
    target: u32


@record
class Ports:
    source: u16
    target: u16


seen = Hash[u16, u64](max_entries=64)
IP_KIND = htons(0x0800)


@xdp
def count_ports(ctx: XdpContext) -> i32:
    ethernet = ctx.packet(Ethernet)
    if ethernet is None or ethernet.kind != IP_KIND:
        return 2
    ip = ctx.packet(IP, at=14)
    if ip is None:
        return 2
    ports = ctx.packet(Ports, 14 + (ip.version_length & 15) * 4)
    if ports is not None:
        seen[ports.target] += ctx.packet_length()
        ports.source, ports.target = ports.target, ports.source
    ip.ttl -= 1
    return 1 if ctx.ingress_ifindex == ctx.rx_queue_index else 2


@tc("egress")
def mark(ctx: SkBuffContext) -> i32:
    ctx.mark = ctx.len + ctx.cb[2]
    ctx.cb[0] += 7
    ctx.tstamp = 0
    sk = ctx.sk
    if sk is not None and sk.family == 2:
        return 0
    return -1


@tc
def classify(ctx: SkBuffContext) -> i32:
    ctx.tc_classid = 0x10001
    return 0 if ctx.protocol == IP_KIND else -1


@tc_action
def act(ctx: SkBuffContext) -> i32:
    return 2 if ctx.ifindex == 1 else 0


@socket_filter
def short(ctx: SkBuffContext) -> u32:
    return 64 if ctx.len > 64 else ctx.len


@cgroup_skb("ingress")
def only_short(ctx: SkBuffContext) -> i32:
    return 1 if ctx.len < 1500 else 0


@lwt("xmit")
def tag(ctx: SkBuffContext) -> i32:
    ctx.mark = 5
    return 0


@flow_dissector
def dissect(ctx: SkBuffContext) -> i32:
    return 0
