"""The kinds of programs: one row each, and which kind an ELF section's name means.

Source: ``include/uapi/linux/bpf.h``; the section names are those that libbpf knows.
"""

from __future__ import annotations

from pyebpf.abi import constants as c
from pyebpf.errors import NotSupportedError
from pyebpf.plain import Frozen


class ProgramKind(Frozen):
    """One kind of program.

    Attributes:
        name: the row's name; with ``.s`` the form that may sleep.
        sections: names of ELF sections. ``"kprobe/"`` takes a hook after the slash (or none at all,
            without the slash); ``"xdp"`` stands alone.
        prog_type: ``BPF_PROG_TYPE_*``.
        attach_type: the expected attach type, ``BPF_*`` of ``enum bpf_attach_type``; 0 if none.
        context: what the program gets: a C structure, ``"record"`` (a tracepoint's fields), ``"words"``
            (bare 64-bit arguments), ``"arguments"`` (typed by BTF), ``"custom"`` (the caller's bytes),
            ``"usdt"`` (``pt_regs``, and arguments where the note of a probe says).
        strategy: how to attach: a name in ``pyebpf.runtime.links.STRATEGIES``; None if nothing attaches it.
        since: the Linux version that brought it, for messages only; empty if newer than this table.
        reason: why there is no strategy.
        flags: of ``BPF_PROG_LOAD``.
        needs_btf_id: the hook is a BTF id when the program is loaded.
    """

    name: str
    sections: tuple[str, ...]
    prog_type: int
    attach_type: int
    context: str
    strategy: str | None
    since: str
    reason: str = ""
    flags: int = 0
    needs_btf_id: bool = False


def _sleeping(row: ProgramKind, since: str) -> ProgramKind:
    """Return the form of ``row`` that may sleep: the same sections with ``.s``."""
    sections = tuple(f"{s[:-1]}.s/" if s.endswith("/") else f"{s}.s" for s in row.sections)
    return row.replace(
        name=f"{row.name}.s", sections=sections, since=since, flags=c.BPF_F_SLEEPABLE
    )


def _cgroup(name: str, prog_type: int, attach_type: int, context: str, since: str) -> ProgramKind:
    """Return a row of the many that attach to a cgroup; ``name`` is what follows ``cgroup/``."""
    return ProgramKind(
        f"cgroup_{name}", (f"cgroup/{name}",), prog_type, attach_type, context, "cgroup", since
    )


_KPROBE, _TRACING, _XDP = c.BPF_PROG_TYPE_KPROBE, c.BPF_PROG_TYPE_TRACING, c.BPF_PROG_TYPE_XDP
_CLS, _ADDR, _SKB = (
    c.BPF_PROG_TYPE_SCHED_CLS,
    c.BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
    c.BPF_PROG_TYPE_SK_SKB,
)

# Why kinds are not attached, and what to use instead: the texts of refusals.
_NO_HOOK = "it runs when user space or another program calls it: session.test_run(…)"
_ONE_BY_ONE = "@fentry and @fexit attach to one function each, @kprobe to all that match a pattern"
_NO_REPLACING = "functions of other programs are not replaced; TailCalls says where a program goes on"
_STRUCT_OPS_MAP = "a struct_ops map attaches it, and pyebpf makes none (sched_ext and TCP are such)"
_NO_ACTIONS = "a filter of traffic control would name it; @tc decides itself, without an action"
_NO_NETKIT = "netkit devices are not attached to; @tc sees the same packets at the device's other end"
_NO_ROUTES = "a route attaches it (`ip route … encap bpf`); @tc sees the packets of every route"
_NO_PART = "it does not say what it does for a sockmap, as @sk_skb('verdict') does"
_NO_REMOTES = "receivers of remote controls are not attached to; nothing else sees their signals"

_UPROBE = ProgramKind("uprobe", ("uprobe/",), _KPROBE, 0, "pt_regs", "uprobe", "4.3")
_URETPROBE = ProgramKind("uretprobe", ("uretprobe/",), _KPROBE, 0, "pt_regs", "uprobe", "4.3")
_USDT = ProgramKind("usdt", ("usdt/",), _KPROBE, 0, "usdt", "usdt", "4.3")
_UPROBE_MULTI = ProgramKind(
    "uprobe.multi",
    ("uprobe.multi/",),
    _KPROBE,
    c.BPF_TRACE_UPROBE_MULTI,
    "pt_regs",
    "uprobe_multi",
    "6.6",
)
_URETPROBE_MULTI = _UPROBE_MULTI.replace(name="uretprobe.multi", sections=("uretprobe.multi/",))
_UPROBE_SESSION = ProgramKind(
    "uprobe.session",
    ("uprobe.session/",),
    _KPROBE,
    c.BPF_TRACE_UPROBE_SESSION,
    "pt_regs",
    "uprobe_multi",
    "6.13",
)
_TRACEPOINT = ProgramKind(
    "tracepoint",
    ("tracepoint/", "tp/"),
    c.BPF_PROG_TYPE_TRACEPOINT,
    0,
    "record",
    "tracepoint",
    "4.7",
)
_RAW_TP = ProgramKind(
    "raw_tp",
    ("raw_tracepoint/", "raw_tp/"),
    c.BPF_PROG_TYPE_RAW_TRACEPOINT,
    0,
    "words",
    "raw_tp",
    "4.17",
)
_TP_BTF = ProgramKind(
    "tp_btf",
    ("tp_btf/",),
    _TRACING,
    c.BPF_TRACE_RAW_TP,
    "arguments",
    "trace",
    "5.5",
    needs_btf_id=True,
)
_FENTRY = ProgramKind(
    "fentry",
    ("fentry/",),
    _TRACING,
    c.BPF_TRACE_FENTRY,
    "arguments",
    "fentry",
    "5.5",
    needs_btf_id=True,
)
_FEXIT = ProgramKind(
    "fexit",
    ("fexit/",),
    _TRACING,
    c.BPF_TRACE_FEXIT,
    "arguments",
    "fentry",
    "5.5",
    needs_btf_id=True,
)
_FMOD_RET = ProgramKind(
    "fmod_ret",
    ("fmod_ret/",),
    _TRACING,
    c.BPF_MODIFY_RETURN,
    "arguments",
    "fentry",
    "5.7",
    needs_btf_id=True,
)
_FSESSION = ProgramKind(
    "fsession",
    ("fsession/",),
    _TRACING,
    c.BPF_TRACE_FSESSION,
    "arguments",
    "fentry",
    "",
    needs_btf_id=True,
)
_FENTRY_MULTI = ProgramKind(
    "fentry.multi",
    ("fentry.multi/",),
    _TRACING,
    c.BPF_TRACE_FENTRY_MULTI,
    "arguments",
    None,
    "",
    _ONE_BY_ONE,
)
_FEXIT_MULTI = ProgramKind(
    "fexit.multi",
    ("fexit.multi/",),
    _TRACING,
    c.BPF_TRACE_FEXIT_MULTI,
    "arguments",
    None,
    "",
    _ONE_BY_ONE,
)
_FSESSION_MULTI = ProgramKind(
    "fsession.multi",
    ("fsession.multi/",),
    _TRACING,
    c.BPF_TRACE_FSESSION_MULTI,
    "arguments",
    None,
    "",
    _ONE_BY_ONE,
)
_LSM = ProgramKind(
    "lsm",
    ("lsm/",),
    c.BPF_PROG_TYPE_LSM,
    c.BPF_LSM_MAC,
    "arguments",
    "lsm",
    "5.7",
    needs_btf_id=True,
)
_ITER = ProgramKind(
    "iter", ("iter/",), _TRACING, c.BPF_TRACE_ITER, "arguments", "iter", "5.8", needs_btf_id=True
)
_STRUCT_OPS = ProgramKind(
    "struct_ops",
    ("struct_ops/",),
    c.BPF_PROG_TYPE_STRUCT_OPS,
    0,
    "arguments",
    None,
    "5.6",
    _STRUCT_OPS_MAP,
)

_PROBES = (
    _TRACEPOINT, _sleeping(_TRACEPOINT, ""),
    _RAW_TP, _sleeping(_RAW_TP, ""),
    ProgramKind("raw_tp.w", ("raw_tracepoint.w/", "raw_tp.w/"), c.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, 0, "words", "raw_tp", "5.2"),
    _TP_BTF, _sleeping(_TP_BTF, ""),
    _FENTRY, _sleeping(_FENTRY, "5.10"),
    _FEXIT, _sleeping(_FEXIT, "5.10"),
    _FMOD_RET, _sleeping(_FMOD_RET, "5.10"),
    _FSESSION, _sleeping(_FSESSION, ""),
    _FENTRY_MULTI, _sleeping(_FENTRY_MULTI, ""),
    _FEXIT_MULTI, _sleeping(_FEXIT_MULTI, ""),
    _FSESSION_MULTI, _sleeping(_FSESSION_MULTI, ""),
    ProgramKind("kprobe", ("kprobe/",), _KPROBE, 0, "pt_regs", "kprobe", "4.1"),
    ProgramKind("kretprobe", ("kretprobe/",), _KPROBE, 0, "pt_regs", "kprobe", "4.1"),
    ProgramKind("kprobe.multi", ("kprobe.multi/",), _KPROBE, c.BPF_TRACE_KPROBE_MULTI, "pt_regs", "kprobe_multi", "5.18"),
    ProgramKind("kretprobe.multi", ("kretprobe.multi/",), _KPROBE, c.BPF_TRACE_KPROBE_MULTI, "pt_regs", "kprobe_multi", "5.18"),
    ProgramKind("kprobe.session", ("kprobe.session/",), _KPROBE, c.BPF_TRACE_KPROBE_SESSION, "pt_regs", "kprobe_multi", "6.10"),
    ProgramKind("ksyscall", ("ksyscall/",), _KPROBE, 0, "pt_regs", "ksyscall", "4.1"),
    ProgramKind("kretsyscall", ("kretsyscall/",), _KPROBE, 0, "pt_regs", "ksyscall", "4.1"),
    _UPROBE, _sleeping(_UPROBE, "6.0"),
    _URETPROBE, _sleeping(_URETPROBE, "6.0"),
    _UPROBE_MULTI, _sleeping(_UPROBE_MULTI, "6.6"),
    _URETPROBE_MULTI, _sleeping(_URETPROBE_MULTI, "6.6"),
    _UPROBE_SESSION, _sleeping(_UPROBE_SESSION, "6.13"),
    _USDT, _sleeping(_USDT, "6.0"),
    ProgramKind("perf_event", ("perf_event",), c.BPF_PROG_TYPE_PERF_EVENT, 0, "bpf_perf_event_data", "perf_event", "4.9"),
    _LSM, _sleeping(_LSM, "5.10"),
    ProgramKind("lsm_cgroup", ("lsm_cgroup/",), c.BPF_PROG_TYPE_LSM, c.BPF_LSM_CGROUP, "arguments", "cgroup", "6.0", needs_btf_id=True),
    _ITER, _sleeping(_ITER, "6.1"),
    ProgramKind("syscall", ("syscall",), c.BPF_PROG_TYPE_SYSCALL, 0, "custom", None, "5.14", _NO_HOOK, flags=c.BPF_F_SLEEPABLE),
    ProgramKind("freplace", ("freplace/",), c.BPF_PROG_TYPE_EXT, 0, "arguments", None, "5.6", _NO_REPLACING, needs_btf_id=True),
    _STRUCT_OPS, _sleeping(_STRUCT_OPS, "6.3"),
)  # fmt: skip

_PACKETS = (
    ProgramKind("socket_filter", ("socket",), c.BPF_PROG_TYPE_SOCKET_FILTER, 0, "__sk_buff", "socket", "3.19"),
    ProgramKind("xdp", ("xdp",), _XDP, c.BPF_XDP, "xdp_md", "xdp", "4.8"),
    ProgramKind("xdp.frags", ("xdp.frags",), _XDP, c.BPF_XDP, "xdp_md", "xdp", "5.18", flags=c.BPF_F_XDP_HAS_FRAGS),
    ProgramKind("xdp_devmap", ("xdp/devmap",), _XDP, c.BPF_XDP_DEVMAP, "xdp_md", None, "5.8", "an entry of a devmap attaches it"),
    ProgramKind("xdp_devmap.frags", ("xdp.frags/devmap",), _XDP, c.BPF_XDP_DEVMAP, "xdp_md", None, "5.18", "an entry of a devmap attaches it", c.BPF_F_XDP_HAS_FRAGS),
    ProgramKind("xdp_cpumap", ("xdp/cpumap",), _XDP, c.BPF_XDP_CPUMAP, "xdp_md", None, "5.9", "an entry of a cpumap attaches it"),
    ProgramKind("xdp_cpumap.frags", ("xdp.frags/cpumap",), _XDP, c.BPF_XDP_CPUMAP, "xdp_md", None, "5.18", "an entry of a cpumap attaches it", c.BPF_F_XDP_HAS_FRAGS),
    ProgramKind("tcx_ingress", ("tcx/ingress", "tc/ingress"), _CLS, c.BPF_TCX_INGRESS, "__sk_buff", "tc", "6.6"),
    ProgramKind("tcx_egress", ("tcx/egress", "tc/egress"), _CLS, c.BPF_TCX_EGRESS, "__sk_buff", "tc", "6.6"),
    ProgramKind("tc", ("tc", "classifier"), _CLS, 0, "__sk_buff", "tc", "4.1"),
    ProgramKind("tc_action", ("action",), c.BPF_PROG_TYPE_SCHED_ACT, 0, "__sk_buff", None, "4.1", _NO_ACTIONS),
    ProgramKind("netkit_primary", ("netkit/primary",), _CLS, c.BPF_NETKIT_PRIMARY, "__sk_buff", None, "6.7", _NO_NETKIT),
    ProgramKind("netkit_peer", ("netkit/peer",), _CLS, c.BPF_NETKIT_PEER, "__sk_buff", None, "6.7", _NO_NETKIT),
    ProgramKind("netfilter", ("netfilter",), c.BPF_PROG_TYPE_NETFILTER, c.BPF_NETFILTER, "bpf_nf_ctx", "netfilter", "6.4"),
    ProgramKind("flow_dissector", ("flow_dissector",), c.BPF_PROG_TYPE_FLOW_DISSECTOR, c.BPF_FLOW_DISSECTOR, "__sk_buff", "netns", "4.20"),
    ProgramKind("lwt_in", ("lwt_in",), c.BPF_PROG_TYPE_LWT_IN, 0, "__sk_buff", None, "4.10", _NO_ROUTES),
    ProgramKind("lwt_out", ("lwt_out",), c.BPF_PROG_TYPE_LWT_OUT, 0, "__sk_buff", None, "4.10", _NO_ROUTES),
    ProgramKind("lwt_xmit", ("lwt_xmit",), c.BPF_PROG_TYPE_LWT_XMIT, 0, "__sk_buff", None, "4.10", _NO_ROUTES),
    ProgramKind("lwt_seg6local", ("lwt_seg6local",), c.BPF_PROG_TYPE_LWT_SEG6LOCAL, 0, "__sk_buff", None, "4.18", _NO_ROUTES),
)  # fmt: skip

_SOCKETS = (
    ProgramKind("sk_lookup", ("sk_lookup",), c.BPF_PROG_TYPE_SK_LOOKUP, c.BPF_SK_LOOKUP, "bpf_sk_lookup", "netns", "5.9"),
    ProgramKind("sk_reuseport", ("sk_reuseport",), c.BPF_PROG_TYPE_SK_REUSEPORT, c.BPF_SK_REUSEPORT_SELECT, "sk_reuseport_md", "socket", "4.19"),
    ProgramKind("sk_reuseport_migrate", ("sk_reuseport/migrate",), c.BPF_PROG_TYPE_SK_REUSEPORT, c.BPF_SK_REUSEPORT_SELECT_OR_MIGRATE, "sk_reuseport_md", "socket", "5.14"),
    ProgramKind("sk_skb_parser", ("sk_skb/stream_parser",), _SKB, c.BPF_SK_SKB_STREAM_PARSER, "__sk_buff", "sockmap", "4.14"),
    ProgramKind("sk_skb_stream_verdict", ("sk_skb/stream_verdict",), _SKB, c.BPF_SK_SKB_STREAM_VERDICT, "__sk_buff", "sockmap", "4.14"),
    ProgramKind("sk_skb_verdict", ("sk_skb/verdict",), _SKB, c.BPF_SK_SKB_VERDICT, "__sk_buff", "sockmap", "5.13"),
    ProgramKind("sk_skb", ("sk_skb",), _SKB, 0, "__sk_buff", None, "4.14", _NO_PART),
    ProgramKind("sk_msg", ("sk_msg",), c.BPF_PROG_TYPE_SK_MSG, c.BPF_SK_MSG_VERDICT, "sk_msg_md", "sockmap", "4.17"),
    ProgramKind("lirc_mode2", ("lirc_mode2",), c.BPF_PROG_TYPE_LIRC_MODE2, c.BPF_LIRC_MODE2, "u32", None, "4.18", _NO_REMOTES),
)  # fmt: skip

_CGROUPS = (
    ProgramKind("sock_ops", ("sockops",), c.BPF_PROG_TYPE_SOCK_OPS, c.BPF_CGROUP_SOCK_OPS, "bpf_sock_ops", "cgroup", "4.13"),
    ProgramKind("cgroup_skb_ingress", ("cgroup_skb/ingress",), c.BPF_PROG_TYPE_CGROUP_SKB, c.BPF_CGROUP_INET_INGRESS, "__sk_buff", "cgroup", "4.10"),
    ProgramKind("cgroup_skb_egress", ("cgroup_skb/egress",), c.BPF_PROG_TYPE_CGROUP_SKB, c.BPF_CGROUP_INET_EGRESS, "__sk_buff", "cgroup", "4.10"),
    _cgroup("skb", c.BPF_PROG_TYPE_CGROUP_SKB, 0, "__sk_buff", "4.10"),
    ProgramKind("cgroup_sock_create", ("cgroup/sock_create", "cgroup/sock"), c.BPF_PROG_TYPE_CGROUP_SOCK, c.BPF_CGROUP_INET_SOCK_CREATE, "bpf_sock", "cgroup", "4.10"),
    _cgroup("sock_release", c.BPF_PROG_TYPE_CGROUP_SOCK, c.BPF_CGROUP_INET_SOCK_RELEASE, "bpf_sock", "5.9"),
    _cgroup("post_bind4", c.BPF_PROG_TYPE_CGROUP_SOCK, c.BPF_CGROUP_INET4_POST_BIND, "bpf_sock", "4.17"),
    _cgroup("post_bind6", c.BPF_PROG_TYPE_CGROUP_SOCK, c.BPF_CGROUP_INET6_POST_BIND, "bpf_sock", "4.17"),
    _cgroup("bind4", _ADDR, c.BPF_CGROUP_INET4_BIND, "bpf_sock_addr", "4.17"),
    _cgroup("bind6", _ADDR, c.BPF_CGROUP_INET6_BIND, "bpf_sock_addr", "4.17"),
    _cgroup("connect4", _ADDR, c.BPF_CGROUP_INET4_CONNECT, "bpf_sock_addr", "4.17"),
    _cgroup("connect6", _ADDR, c.BPF_CGROUP_INET6_CONNECT, "bpf_sock_addr", "4.17"),
    _cgroup("connect_unix", _ADDR, c.BPF_CGROUP_UNIX_CONNECT, "bpf_sock_addr", "6.7"),
    _cgroup("sendmsg4", _ADDR, c.BPF_CGROUP_UDP4_SENDMSG, "bpf_sock_addr", "4.18"),
    _cgroup("sendmsg6", _ADDR, c.BPF_CGROUP_UDP6_SENDMSG, "bpf_sock_addr", "4.18"),
    _cgroup("sendmsg_unix", _ADDR, c.BPF_CGROUP_UNIX_SENDMSG, "bpf_sock_addr", "6.7"),
    _cgroup("recvmsg4", _ADDR, c.BPF_CGROUP_UDP4_RECVMSG, "bpf_sock_addr", "5.2"),
    _cgroup("recvmsg6", _ADDR, c.BPF_CGROUP_UDP6_RECVMSG, "bpf_sock_addr", "5.2"),
    _cgroup("recvmsg_unix", _ADDR, c.BPF_CGROUP_UNIX_RECVMSG, "bpf_sock_addr", "6.7"),
    _cgroup("getpeername4", _ADDR, c.BPF_CGROUP_INET4_GETPEERNAME, "bpf_sock_addr", "5.8"),
    _cgroup("getpeername6", _ADDR, c.BPF_CGROUP_INET6_GETPEERNAME, "bpf_sock_addr", "5.8"),
    _cgroup("getpeername_unix", _ADDR, c.BPF_CGROUP_UNIX_GETPEERNAME, "bpf_sock_addr", "6.7"),
    _cgroup("getsockname4", _ADDR, c.BPF_CGROUP_INET4_GETSOCKNAME, "bpf_sock_addr", "5.8"),
    _cgroup("getsockname6", _ADDR, c.BPF_CGROUP_INET6_GETSOCKNAME, "bpf_sock_addr", "5.8"),
    _cgroup("getsockname_unix", _ADDR, c.BPF_CGROUP_UNIX_GETSOCKNAME, "bpf_sock_addr", "6.7"),
    _cgroup("sysctl", c.BPF_PROG_TYPE_CGROUP_SYSCTL, c.BPF_CGROUP_SYSCTL, "bpf_sysctl", "5.2"),
    _cgroup("getsockopt", c.BPF_PROG_TYPE_CGROUP_SOCKOPT, c.BPF_CGROUP_GETSOCKOPT, "bpf_sockopt", "5.3"),
    _cgroup("setsockopt", c.BPF_PROG_TYPE_CGROUP_SOCKOPT, c.BPF_CGROUP_SETSOCKOPT, "bpf_sockopt", "5.3"),
    _cgroup("dev", c.BPF_PROG_TYPE_CGROUP_DEVICE, c.BPF_CGROUP_DEVICE, "bpf_cgroup_dev_ctx", "4.15"),
)  # fmt: skip

#: The rows in groups, for documents.
PROGRAM_GROUPS = {
    "Tracing": _PROBES,
    "Packets": _PACKETS,
    "Sockets": _SOCKETS,
    "cgroups": _CGROUPS,
}
_ROWS = (*_PROBES, *_PACKETS, *_SOCKETS, *_CGROUPS)
#: ``is_tracing_prog_type`` and ``check_map_prog_compatibility`` of ``kernel/bpf/verifier.c``.
_NO_KERNEL_FIELDS = frozenset(
    {
        c.BPF_PROG_TYPE_KPROBE,
        c.BPF_PROG_TYPE_TRACEPOINT,
        c.BPF_PROG_TYPE_PERF_EVENT,
        c.BPF_PROG_TYPE_RAW_TRACEPOINT,
        c.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
        c.BPF_PROG_TYPE_SOCKET_FILTER,
    }
)


def has_kernel_fields(row: ProgramKind) -> bool:
    """Tell whether programs of a kind may use maps whose values hold spin locks or timers."""
    return row.prog_type not in _NO_KERNEL_FIELDS


#: Every kind of program by its name, and by the long names of two.
PROGRAM_KINDS: dict[str, ProgramKind] = {row.name: row for row in _ROWS}
PROGRAM_KINDS["raw_tracepoint"] = _RAW_TP
PROGRAM_KINDS["tp"] = _TRACEPOINT

_SECTIONS = {section: row for row in _ROWS for section in row.sections}


def program_kind_of_section(section: str) -> tuple[ProgramKind, str]:
    """Return the kind that an ELF section's name means, and the hook in it.

    ``"tp/sched/sched_switch"`` gives the hook ``"sched/sched_switch"``; ``"xdp"`` gives ``""``.

    Raises:
        NotSupportedError: no kind has such sections.
    """
    row = _SECTIONS.get(section)
    if row is not None and not section.endswith("/"):
        return row, ""
    prefix, slash, hook = section.partition("/")
    row = _SECTIONS.get(prefix + "/")
    if row is None or (slash and not hook):
        raise NotSupportedError(
            f"the ELF section {section!r} names no kind of program; those that do begin with "
            f"{', '.join(_SECTIONS)}"
        )
    return row, hook
