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

from pyebpf.dsl.access import (
    addressof,
    cast,
    container_of,
    has_enumerator,
    has_type,
    offsetof,
    read_kernel,
    read_kernel_str,
    read_user,
    read_user_str,
)
from pyebpf.dsl.builtins import (
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
from pyebpf.dsl.functions import noinline
from pyebpf.dsl.locks import SpinLock
from pyebpf.dsl.maps import (
    Array,
    Events,
    Hash,
    LinearHist,
    Log2Hist,
    LruHash,
    LruPerCpuHash,
    PerCpuArray,
    PerCpuHash,
    RHash,
)
from pyebpf.dsl.probes import Probe, raw_tracepoint, syscall, tp_btf, tracepoint
from pyebpf.dsl.queues import BloomFilter, Queue, Stack
from pyebpf.dsl.records import array, bits, chars, octets, record, union
from pyebpf.dsl.scalars import (
    Bytes,
    Char,
    FixedArray,
    Ptr,
    RawTracepointContext,
    TracepointContext,
    UserPtr,
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
from pyebpf.dsl.storage import CgrpStorage, InodeStorage, SkStorage, TaskStorage
from pyebpf.dsl.symbols import KernelVariable, Kfunc, has_kfunc, has_variable, kfunc
from pyebpf.dsl.tail import TailCalls
from pyebpf.dsl.tries import LpmTrie
from pyebpf.session import Session, compile_probes, host_target, load
from pyebpf.spec.target import Target
from pyebpf.version import __version__

__all__ = [
    "Array",
    "BloomFilter",
    "Bytes",
    "CgrpStorage",
    "Char",
    "Const",
    "Events",
    "FixedArray",
    "Global",
    "Hash",
    "InodeStorage",
    "KernelVariable",
    "Kfunc",
    "LinearHist",
    "Log2Hist",
    "LpmTrie",
    "LruHash",
    "LruPerCpuHash",
    "PerCpuArray",
    "PerCpuHash",
    "Probe",
    "Ptr",
    "Queue",
    "RHash",
    "RawTracepointContext",
    "Session",
    "SkStorage",
    "SpinLock",
    "Stack",
    "StackTrace",
    "TailCalls",
    "Target",
    "TaskStorage",
    "TracepointContext",
    "UserPtr",
    "__version__",
    "addressof",
    "array",
    "bits",
    "cast",
    "cgroup_id",
    "chars",
    "comm",
    "compare_exchange",
    "compile_probes",
    "container_of",
    "cpu",
    "current_task",
    "exchange",
    "fetch_add",
    "fetch_and",
    "fetch_or",
    "fetch_xor",
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
    "jiffies64",
    "kfunc",
    "ktime_get_boot_ns",
    "ktime_get_ns",
    "load",
    "noinline",
    "ntohl",
    "ntohll",
    "ntohs",
    "numa_node",
    "octets",
    "offsetof",
    "pid_tgid",
    "raw_tracepoint",
    "read_kernel",
    "read_kernel_str",
    "read_user",
    "read_user_str",
    "record",
    "sizeof",
    "syscall",
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
]
