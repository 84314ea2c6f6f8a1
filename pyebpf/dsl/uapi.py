"""What the kernel passes to programs at sockets, packets and cgroups: its structures, by class.

A class is a structure of ``include/uapi/linux/bpf.h``, field by field in its order; the compiler
takes the layout from it. The kernel translates each access, so these offsets hold on every kernel.
Which fields a kind of program may write is in ``pyebpf.abi.results``; the verifier knows which it
may read. Contexts exist in probes only.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from pyebpf.dsl.annotations import array_element, data_type
from pyebpf.dsl.records import ArrayField, array
from pyebpf.dsl.scalars import FixedArray, Ptr, i32, u8, u16, u32, u64
from pyebpf.errors import PyebpfError
from pyebpf.kernel import bpf_sock, nf_hook_state, sk_buff
from pyebpf.plain import Frozen
from pyebpf.spec.types import Address, Array, Record
from pyebpf.spec.types import record as lay_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.spec.types import DataType

T = TypeVar("T")
C = TypeVar("C", bound=type)


class ContextStruct(Frozen):
    """A structure of the kernel that programs get.

    Attributes:
        record: its layout, under the kernel's name.
        pointers: the kernel type behind each field that is a pointer.
        bounds: the fields that say where the data begins and ends; empty if there is none.
    """

    record: Record
    pointers: dict[str, str]
    bounds: tuple[str, ...]


def _context(name: str, *bounds: str) -> Callable[[C], C]:
    def mark(cls: C) -> C:
        cls.__pyebpf_context__ = (name, bounds)  # type: ignore[attr-defined]
        return cls

    return mark


@cache
def context_struct(cls: type) -> ContextStruct | None:
    """Return the structure that a class stands for; None if it stands for none."""
    known = cls.__dict__.get("__pyebpf_context__")
    if known is None:
        return None
    members: list[tuple[str, DataType]] = []
    pointers, over = {}, {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        default = cls.__dict__.get(name)
        if isinstance(default, _Over):
            over[name] = default.name
        kind = _field_type(hint, default)
        if isinstance(kind, Address):
            pointers[name] = kind.struct
        members.append((name, kind))
    return ContextStruct(_with_unions(known[0], members, over), pointers, known[1])


class _Over:
    """Marks a field that lies where another one does."""

    def __init__(self, name: str, length: int) -> None:
        self.name, self.length = name, length


def _over(name: str, length: int = 0) -> Any:
    return _Over(name, length)


def _field_type(hint: Any, default: Any) -> DataType:
    element = array_element(hint)
    if element is not None:
        assert isinstance(default, (ArrayField, _Over))
        return Array(element, default.length)
    parts = [part for part in get_args(hint) if part is not type(None)]
    kind = data_type(hint) or (data_type(parts[0]) if parts else None)
    if kind is None:
        raise PyebpfError(f"{hint!r} is no field of a context")
    return kind


def _with_unions(name: str, members: list[tuple[str, DataType]], over: dict[str, str]) -> Record:
    plain = lay_out(name, [(field, kind) for field, kind in members if field not in over])
    extra = tuple(
        found.replace(name=field, type=dict(members)[field])
        for field, other in over.items()
        if (found := plain.field(other)) is not None
    )
    return plain.replace(fields=(*plain.fields, *extra))


class Packet:
    """Data that a program reads and writes in place."""

    def packet(self, kind: type[T], at: int = 0) -> T | None:
        """Return the ``kind`` of record ``at`` bytes into the data; None if the data ends before.

        Fields that are assigned change the packet. After a helper that moves the data it has to be
        asked for again. A socket filter, which may not look into the packet, gets a copy.
        """
        raise PyebpfError("packet() works in a probe only")

    def packet_length(self) -> u64:
        """Return how many bytes of the data can be read in place."""
        raise PyebpfError("packet_length() works in a probe only")


@_context("__sk_buff", "data", "data_end")
class SkBuffContext(Packet):
    """``struct __sk_buff``: a packet on its way, of tc, socket, cgroup and sockmap programs."""

    len: u32
    pkt_type: u32
    mark: u32
    queue_mapping: u32
    protocol: u32
    vlan_present: u32
    vlan_tci: u32
    vlan_proto: u32
    priority: u32
    ingress_ifindex: u32
    ifindex: u32
    tc_index: u32
    cb: FixedArray[u32] = array(5)
    hash: u32
    tc_classid: u32
    data: u32
    data_end: u32
    napi_id: u32
    family: u32
    remote_ip4: u32
    local_ip4: u32
    remote_ip6: FixedArray[u32] = array(4)
    local_ip6: FixedArray[u32] = array(4)
    remote_port: u32
    local_port: u32
    data_meta: u32
    flow_keys: Ptr[Any] | None
    tstamp: u64
    wire_len: u32
    gso_segs: u32
    sk: Ptr[bpf_sock] | None
    gso_size: u32
    tstamp_type: u8
    hwtstamp: u64


@_context("xdp_md", "data", "data_end")
class XdpContext(Packet):
    """``struct xdp_md``: a packet as the network device received it."""

    data: u32
    data_end: u32
    data_meta: u32
    ingress_ifindex: u32
    rx_queue_index: u32
    egress_ifindex: u32


@_context("bpf_sock")
class SockContext:
    """``struct bpf_sock``: a socket that is made, bound or released."""

    bound_dev_if: u32
    family: u32
    type: u32
    protocol: u32
    mark: u32
    priority: u32
    src_ip4: u32
    src_ip6: FixedArray[u32] = array(4)
    src_port: u32
    dst_port: u16
    dst_ip4: u32
    dst_ip6: FixedArray[u32] = array(4)
    state: u32
    rx_queue_mapping: i32


@_context("bpf_sock_addr")
class SockAddrContext:
    """``struct bpf_sock_addr``: an address that a process gives or gets; in network order."""

    user_family: u32
    user_ip4: u32
    user_ip6: FixedArray[u32] = array(4)
    user_port: u32
    family: u32
    type: u32
    protocol: u32
    msg_src_ip4: u32
    msg_src_ip6: FixedArray[u32] = array(4)
    sk: Ptr[bpf_sock] | None


@_context("bpf_sock_ops", "skb_data", "skb_data_end")
class SockOpsContext(Packet):
    """``struct bpf_sock_ops``: what happens to a TCP connection; ``op`` says what."""

    op: u32
    args: FixedArray[u32] = array(4)
    reply: u32 = _over("args")
    replylong: FixedArray[u32] = _over("args", 4)
    family: u32
    remote_ip4: u32
    local_ip4: u32
    remote_ip6: FixedArray[u32] = array(4)
    local_ip6: FixedArray[u32] = array(4)
    remote_port: u32
    local_port: u32
    is_fullsock: u32
    snd_cwnd: u32
    srtt_us: u32
    bpf_sock_ops_cb_flags: u32
    state: u32
    rtt_min: u32
    snd_ssthresh: u32
    rcv_nxt: u32
    snd_nxt: u32
    snd_una: u32
    mss_cache: u32
    ecn_flags: u32
    rate_delivered: u32
    rate_interval_us: u32
    packets_out: u32
    retrans_out: u32
    total_retrans: u32
    segs_in: u32
    data_segs_in: u32
    segs_out: u32
    data_segs_out: u32
    lost_out: u32
    sacked_out: u32
    sk_txhash: u32
    bytes_received: u64
    bytes_acked: u64
    sk: Ptr[bpf_sock] | None
    skb_data: u64
    skb_data_end: u64
    skb_len: u32
    skb_tcp_flags: u32
    skb_hwtstamp: u64


@_context("sk_msg_md", "data", "data_end")
class SkMsgContext(Packet):
    """``struct sk_msg_md``: a message that a socket of a sockmap sends."""

    data: u64
    data_end: u64
    family: u32
    remote_ip4: u32
    local_ip4: u32
    remote_ip6: FixedArray[u32] = array(4)
    local_ip6: FixedArray[u32] = array(4)
    remote_port: u32
    local_port: u32
    size: u32
    sk: Ptr[bpf_sock] | None


@_context("sk_reuseport_md", "data", "data_end")
class SkReuseportContext(Packet):
    """``struct sk_reuseport_md``: a packet for one of several sockets at the same port."""

    data: u64
    data_end: u64
    len: u32
    eth_protocol: u32
    ip_protocol: u32
    bind_inany: u32
    hash: u32
    sk: Ptr[bpf_sock] | None
    migrating_sk: Ptr[bpf_sock] | None


@_context("bpf_sk_lookup")
class SkLookupContext:
    """``struct bpf_sk_lookup``: a packet or connection that looks for its socket."""

    sk: Ptr[bpf_sock] | None
    family: u32
    protocol: u32
    remote_ip4: u32
    remote_ip6: FixedArray[u32] = array(4)
    remote_port: u16
    local_ip4: u32
    local_ip6: FixedArray[u32] = array(4)
    local_port: u32
    ingress_ifindex: u32


@_context("bpf_sysctl")
class SysctlContext:
    """``struct bpf_sysctl``: a file below /proc/sys that is read or written."""

    write: u32
    file_pos: u32


@_context("bpf_sockopt", "optval", "optval_end")
class SockoptContext(Packet):
    """``struct bpf_sockopt``: an option of a socket; the data is its value."""

    sk: Ptr[bpf_sock] | None
    optval: u64
    optval_end: u64
    level: i32
    optname: i32
    optlen: i32
    retval: i32


@_context("bpf_cgroup_dev_ctx")
class DeviceContext:
    """``struct bpf_cgroup_dev_ctx``: a device file that a process opens or makes."""

    access_type: u32
    major: u32
    minor: u32


@_context("bpf_nf_ctx")
class NetfilterContext:
    """``struct bpf_nf_ctx``: a packet at a netfilter hook."""

    state: Ptr[nf_hook_state]
    skb: Ptr[sk_buff]


#: The class for each structure of the kernel.
CONTEXTS: dict[str, type] = {
    cls.__dict__["__pyebpf_context__"][0]: cls
    for cls in (
        SkBuffContext, XdpContext, SockContext, SockAddrContext, SockOpsContext, SkMsgContext,
        SkReuseportContext, SkLookupContext, SysctlContext, SockoptContext, DeviceContext,
        NetfilterContext,
    )
}  # fmt: skip
