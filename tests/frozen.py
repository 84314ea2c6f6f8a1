"""A kernel that is the same on every machine, for tests that only compile.

``tests/data/frozen/kernel.btf.gz`` holds some types of a real kernel (6.18, x86-64), made by
``python -m tests.frozen`` on it; the tracepoints are those below.
"""

from __future__ import annotations

import functools
import gzip
from collections.abc import Collection
from pathlib import Path

from pyebpf.abi.helpers import HELPERS
from pyebpf.abi.names import prog_type_name
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.btf import Btf
from pyebpf.btf.extract import extract
from pyebpf.btf.system import kernel_btf
from pyebpf.spec.target import FrozenConfiguration, FrozenFeatures, FrozenTracepoints, Target
from pyebpf.testing.frozen import TRACEPOINTS as SHIPPED
from pyebpf.testing.frozen import fields

BTF_FILE = Path(__file__).parent / "data" / "frozen" / "kernel.btf.gz"

TRACEPOINTS_WITH_TYPES = (
    "block_rq_issue", "block_rq_complete", "block_rq_insert", "sched_switch", "sched_wakeup",
    "sched_process_exec", "sched_process_fork", "sys_enter", "sys_exit", "task_rename",
    "inet_sock_set_state", "cgroup_mkdir",
)  # fmt: skip
TYPES = (
    "request", "request_queue", "gendisk", "task_struct", "cred", "mm_struct", "signal_struct",
    "file", "dentry", "qstr", "pid_t", "list_head", "bpf_map_type", "sockaddr_in", "bpf_cpumask",
    "bpf_task_from_pid", "bpf_task_release", "bpf_rcu_read_lock", "bpf_rcu_read_unlock",
    "bpf_cpumask_create", "bpf_cpumask_release", "bpf_cpumask_set_cpu", "bpf_cpumask_weight",
    "bpf_cpumask_empty", "bpf_strlen", "bpf_strstr", "runqueues", "rq", "cpumask", "path", "cgroup",
    "css_set", "seq_file", "vm_area_struct", "bpf_iter__task",
    "vfs_read", "security_inode_getattr", "bpf_lsm_file_open", "bpf_lsm_inode_unlink",
    "bpf_lsm_socket_bind", "bpf_iter_task", "bpf_iter_meta", "bpf_sock", "bpf_tcp_sock", "inode",
    "socket", "sockaddr", "nf_hook_state", "sk_buff", "sock", "tcp_sock",
    "bpf_cast_to_kern_ctx", "xdp_buff", "xdp_rxq_info", "net_device", "bpf_sock_addr_kern",
    *(f"btf_trace_{name}" for name in TRACEPOINTS_WITH_TYPES),
)  # fmt: skip


def _helpers() -> set[str]:
    """Return that each kind of program has the helpers that their rows say."""
    kinds = {kind.name: prog_type_name(kind.prog_type) for kind in PROGRAM_KINDS.values()}
    return {
        f"helper:{row.name}@{kind}"
        for row in HELPERS.values()
        for kind, program in kinds.items()
        if program in row.program_types
    }


FEATURES = frozenset(
    {
        *_helpers(),
        "ringbuf",
        "cpu_v3",
        "kallsyms_all",
        "atomics",
        "global_data",
        "helper:for_each_map_elem",
        "helper:get_current_task_btf",
        "helper:loop",
        "helper:probe_read_kernel",
        "helper:probe_read_kernel_str",
        "helper:probe_read_user",
        "helper:probe_read_user_str",
    }
)


TRACEPOINTS = {
    **SHIPPED,
    "net:frames": fields(
        ("lengths", "__data_loc u32[]", 8, 4, False),
        ("name", "__rel_loc char[]", 12, 4, False),
        ("address", "__u8[6]", 16, 6, False),
        ("skb", "struct task_struct *", 24, 8, False),
    ),
}


CONFIGURATION = {"CONFIG_HZ": "250", "CONFIG_SMP": "y", "CONFIG_DEFAULT_HOSTNAME": '"(none)"'}


@functools.cache
def btf() -> Btf:
    """Return the types."""
    return Btf.parse(gzip.decompress(BTF_FILE.read_bytes()))


def target(*, without: Collection[str] = (), btf_too: bool = True, cpus: int = 2) -> Target:
    """Return the frozen kernel, without some features or without types."""
    return Target(
        btf() if btf_too else None,
        FrozenFeatures(FEATURES - set(without)),
        FrozenTracepoints(TRACEPOINTS),
        "x86_64",
        cpus,
        configuration=FrozenConfiguration(CONFIGURATION),
    )


def remake() -> None:
    """Write the types anew, from the running kernel."""
    data = extract(kernel_btf(), TYPES)
    BTF_FILE.write_bytes(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    remake()
