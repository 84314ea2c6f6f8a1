"""Write Linux tracing programs as type-annotated Python functions.

A decorated function is compiled to eBPF when it is loaded, runs in the kernel, and shares maps
with Python::

    started = Hash[Ptr[request], u64](max_entries=10_240)
    latency = Log2Hist(unit="us")

    @tp_btf("block_rq_issue")
    def issue(rq: Ptr[request]) -> None:
        started[rq] = ktime_get_ns()

    with load(issue, ...) as session:
        session.sleep(10)
        print(session[latency])

Kernel types come from :mod:`pyebpf.kernel`, exceptions from :mod:`pyebpf.errors`.
"""

from pyebpf import program

if program.is_ours():
    program.begin()
    if program.tool():
        from pyebpf import headstart

        headstart.own.repeat(program.tool())

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pyebpf import errors as errors
from pyebpf import kernel as kernel
from pyebpf.rows import rows
from pyebpf.version import __version__

if TYPE_CHECKING:
    from pyebpf.dsl.access import (
        addressof,
        cast,
        container_of,
        has_enumerator,
        has_type,
        kernel_context,
        offsetof,
        read_kernel,
        read_kernel_str,
        read_user,
        read_user_str,
        view,
    )
    from pyebpf.dsl.aggregates import (
        Average,
        Count,
        LinearHist,
        Log2Hist,
        Max,
        Min,
        Stats,
        Sum,
        TimeSeries,
    )
    from pyebpf.dsl.builtins import (
        attach_cookie,
        cgroup_id,
        comm,
        compare_exchange,
        cpu,
        current_task,
        exchange,
        fetch_add,
        fetch_and,
        fetch_or,
        fetch_xor,
        get_prandom_u32,
        gid,
        has_field,
        ipv4,
        ipv6,
        jiffies64,
        kernel_config,
        ktime_get_boot_ns,
        ktime_get_ns,
        numa_node,
        pid_tgid,
        sizeof,
        tgid,
        tid,
        uid,
    )
    from pyebpf.dsl.byte_order import htonl, htonll, htons, ntohl, ntohll, ntohs
    from pyebpf.dsl.constants import Const
    from pyebpf.dsl.events import Events
    from pyebpf.dsl.functions import noinline
    from pyebpf.dsl.locks import SpinLock
    from pyebpf.dsl.map_of_maps import ArrayOfMaps, HashOfMaps
    from pyebpf.dsl.maps import (
        Array,
        Hash,
        LruHash,
        LruPerCpuHash,
        PerCpuArray,
        PerCpuHash,
        RHash,
    )
    from pyebpf.dsl.perf import PerfEventArray
    from pyebpf.dsl.probes import Probe
    from pyebpf.dsl.probes.alternatives import Alternatives, first_of
    from pyebpf.dsl.probes.cgroups import (
        cgroup_device,
        cgroup_skb,
        cgroup_sock,
        cgroup_sock_addr,
        cgroup_sockopt,
        cgroup_sysctl,
        lsm_cgroup,
        sock_ops,
    )
    from pyebpf.dsl.probes.network import (
        flow_dissector,
        lwt,
        netfilter,
        sk_lookup,
        sk_msg,
        sk_reuseport,
        sk_skb,
        socket_filter,
        tc,
        tc_action,
        xdp,
    )
    from pyebpf.dsl.probes.tracing import (
        fentry,
        fexit,
        fmod_ret,
        iter,  # noqa: A004 - the kernel's word
        kprobe,
        kretprobe,
        kretsyscall,
        ksyscall,
        lsm,
        raw_tracepoint,
        syscall,
        tp_btf,
        tracepoint,
    )
    from pyebpf.dsl.probes.user import perf_event, uprobe, uretprobe, usdt
    from pyebpf.dsl.queues import BloomFilter, Queue, Stack
    from pyebpf.dsl.records import array, bits, chars, octets, record, union
    from pyebpf.dsl.redirects import (
        CgroupArray,
        CpuMap,
        DevMap,
        DevMapHash,
        ReuseportSockArray,
        SockHash,
        SockMap,
        XskMap,
    )
    from pyebpf.dsl.scalars import (
        Bytes,
        Char,
        FixedArray,
        IterContext,
        KprobeContext,
        PerfEventContext,
        Ptr,
        RawTracepointContext,
        TracepointContext,
        UprobeContext,
        UserPtr,
        be16,
        be32,
        be64,
        i8,
        i16,
        i32,
        i64,
        u8,
        u16,
        u32,
        u64,
    )
    from pyebpf.dsl.shared import Global
    from pyebpf.dsl.stacks import StackTrace
    from pyebpf.dsl.storage import (
        CgroupStorage,
        CgrpStorage,
        InodeStorage,
        PerCpuCgroupStorage,
        SkStorage,
        TaskStorage,
    )
    from pyebpf.dsl.symbols import KernelVariable, Kfunc, has_kfunc, has_variable, kfunc
    from pyebpf.dsl.tail import TailCalls
    from pyebpf.dsl.timers import Timer
    from pyebpf.dsl.tries import LpmTrie
    from pyebpf.dsl.uapi import (
        DeviceContext,
        NetfilterContext,
        SkBuffContext,
        SkLookupContext,
        SkMsgContext,
        SkReuseportContext,
        SockAddrContext,
        SockContext,
        SockOpsContext,
        SockoptContext,
        SysctlContext,
        XdpContext,
    )
    from pyebpf.dsl.user_ring import UserEvents
    from pyebpf.loading import compile_probes, load
    from pyebpf.pinned import PinnedProgram, open_pinned, unpin
    from pyebpf.present.heat import HeatMap
    from pyebpf.present.interchange import Table
    from pyebpf.recordings import replay
    from pyebpf.session import Session
    from pyebpf.spec.target import Target
    from pyebpf.targets import btf_target, host_target
else:
    #: Where each public name is. A module is imported when the first of its names is asked for: a
    #: tool takes a dozen of them, and does not wait for the others.
    _NAMES = {
        "dsl.access": (
            "addressof cast container_of has_enumerator has_type kernel_context offsetof "
            "read_kernel read_kernel_str read_user read_user_str view"
        ),
        "dsl.aggregates": "Average Count LinearHist Log2Hist Max Min Stats Sum TimeSeries",
        "dsl.builtins": (
            "attach_cookie cgroup_id comm compare_exchange cpu current_task exchange "
            "fetch_add fetch_and fetch_or fetch_xor get_prandom_u32 gid has_field ipv4 ipv6 "
            "jiffies64 kernel_config ktime_get_boot_ns ktime_get_ns numa_node pid_tgid sizeof "
            "tgid tid uid"
        ),
        "dsl.byte_order": "htonl htonll htons ntohl ntohll ntohs",
        "dsl.constants": "Const",
        "dsl.events": "Events",
        "dsl.functions": "noinline",
        "dsl.locks": "SpinLock",
        "dsl.map_of_maps": "ArrayOfMaps HashOfMaps",
        "dsl.maps": "Array Hash LruHash LruPerCpuHash PerCpuArray PerCpuHash RHash",
        "dsl.perf": "PerfEventArray",
        "dsl.probes": "Probe",
        "dsl.probes.alternatives": "Alternatives first_of",
        "dsl.probes.cgroups": (
            "cgroup_device cgroup_skb cgroup_sock cgroup_sock_addr cgroup_sockopt "
            "cgroup_sysctl lsm_cgroup sock_ops"
        ),
        "dsl.probes.network": (
            "flow_dissector lwt netfilter sk_lookup sk_msg sk_reuseport sk_skb socket_filter "
            "tc tc_action xdp"
        ),
        "dsl.probes.tracing": (
            "fentry fexit fmod_ret iter kprobe kretprobe kretsyscall ksyscall lsm "
            "raw_tracepoint syscall tp_btf tracepoint"
        ),
        "dsl.probes.user": "perf_event uprobe uretprobe usdt",
        "dsl.queues": "BloomFilter Queue Stack",
        "dsl.records": "array bits chars octets record union",
        "dsl.redirects": (
            "CgroupArray CpuMap DevMap DevMapHash ReuseportSockArray SockHash SockMap XskMap"
        ),
        "dsl.scalars": (
            "Bytes Char FixedArray IterContext KprobeContext PerfEventContext Ptr "
            "RawTracepointContext TracepointContext UprobeContext UserPtr be16 be32 be64 i16 "
            "i32 i64 i8 u16 u32 u64 u8"
        ),
        "dsl.shared": "Global",
        "dsl.stacks": "StackTrace",
        "dsl.storage": (
            "CgroupStorage CgrpStorage InodeStorage PerCpuCgroupStorage SkStorage TaskStorage"
        ),
        "dsl.symbols": "KernelVariable Kfunc has_kfunc has_variable kfunc",
        "dsl.tail": "TailCalls",
        "dsl.timers": "Timer",
        "dsl.tries": "LpmTrie",
        "dsl.uapi": (
            "DeviceContext NetfilterContext SkBuffContext SkLookupContext SkMsgContext "
            "SkReuseportContext SockAddrContext SockContext SockOpsContext SockoptContext "
            "SysctlContext XdpContext"
        ),
        "dsl.user_ring": "UserEvents",
        "loading": "compile_probes load",
        "pinned": "PinnedProgram open_pinned unpin",
        "present.heat": "HeatMap",
        "present.interchange": "Table",
        "recordings": "replay",
        "session": "Session",
        "spec.target": "Target",
        "targets": "btf_target host_target",
    }
    _HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

    def __getattr__(name: str) -> Any:
        """Import what is asked for."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """Return the public names too that nobody has asked for yet."""
        return sorted({*globals(), *__all__})


def load_ipython_extension(shell: object) -> None:
    """Give IPython, or a notebook, a magic for each tool: ``%load_ext pyebpf``."""
    import_module("pyebpf.magics").register(shell)


__all__ = [
    "Alternatives",
    "Array",
    "ArrayOfMaps",
    "Average",
    "BloomFilter",
    "Bytes",
    "CgroupArray",
    "CgroupStorage",
    "CgrpStorage",
    "Char",
    "Const",
    "Count",
    "CpuMap",
    "DevMap",
    "DevMapHash",
    "DeviceContext",
    "Events",
    "FixedArray",
    "Global",
    "Hash",
    "HashOfMaps",
    "HeatMap",
    "InodeStorage",
    "IterContext",
    "KernelVariable",
    "Kfunc",
    "KprobeContext",
    "LinearHist",
    "Log2Hist",
    "LpmTrie",
    "LruHash",
    "LruPerCpuHash",
    "Max",
    "Min",
    "NetfilterContext",
    "PerCpuArray",
    "PerCpuCgroupStorage",
    "PerCpuHash",
    "PerfEventArray",
    "PerfEventContext",
    "PinnedProgram",
    "Probe",
    "Ptr",
    "Queue",
    "RHash",
    "RawTracepointContext",
    "ReuseportSockArray",
    "Session",
    "SkBuffContext",
    "SkLookupContext",
    "SkMsgContext",
    "SkReuseportContext",
    "SkStorage",
    "SockAddrContext",
    "SockContext",
    "SockHash",
    "SockMap",
    "SockOpsContext",
    "SockoptContext",
    "SpinLock",
    "Stack",
    "StackTrace",
    "Stats",
    "Sum",
    "SysctlContext",
    "Table",
    "TailCalls",
    "Target",
    "TaskStorage",
    "TimeSeries",
    "Timer",
    "TracepointContext",
    "UprobeContext",
    "UserEvents",
    "UserPtr",
    "XdpContext",
    "XskMap",
    "__version__",
    "addressof",
    "array",
    "attach_cookie",
    "be16",
    "be32",
    "be64",
    "bits",
    "btf_target",
    "cast",
    "cgroup_device",
    "cgroup_id",
    "cgroup_skb",
    "cgroup_sock",
    "cgroup_sock_addr",
    "cgroup_sockopt",
    "cgroup_sysctl",
    "chars",
    "comm",
    "compare_exchange",
    "compile_probes",
    "container_of",
    "cpu",
    "current_task",
    "exchange",
    "fentry",
    "fetch_add",
    "fetch_and",
    "fetch_or",
    "fetch_xor",
    "fexit",
    "first_of",
    "flow_dissector",
    "fmod_ret",
    "get_prandom_u32",
    "gid",
    "has_enumerator",
    "has_field",
    "has_kfunc",
    "has_type",
    "has_variable",
    "host_target",
    "htonl",
    "htonll",
    "htons",
    "i8",
    "i16",
    "i32",
    "i64",
    "ipv4",
    "ipv6",
    "iter",
    "jiffies64",
    "kernel_config",
    "kernel_context",
    "kfunc",
    "kprobe",
    "kretprobe",
    "kretsyscall",
    "ksyscall",
    "ktime_get_boot_ns",
    "ktime_get_ns",
    "load",
    "lsm",
    "lsm_cgroup",
    "lwt",
    "netfilter",
    "noinline",
    "ntohl",
    "ntohll",
    "ntohs",
    "numa_node",
    "octets",
    "offsetof",
    "open_pinned",
    "perf_event",
    "pid_tgid",
    "raw_tracepoint",
    "read_kernel",
    "read_kernel_str",
    "read_user",
    "read_user_str",
    "record",
    "replay",
    "rows",
    "sizeof",
    "sk_lookup",
    "sk_msg",
    "sk_reuseport",
    "sk_skb",
    "sock_ops",
    "socket_filter",
    "syscall",
    "tc",
    "tc_action",
    "tgid",
    "tid",
    "tp_btf",
    "tracepoint",
    "u8",
    "u16",
    "u32",
    "u64",
    "uid",
    "union",
    "unpin",
    "uprobe",
    "uretprobe",
    "usdt",
    "view",
    "xdp",
]
