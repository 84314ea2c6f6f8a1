"""A kernel that is the same on every machine, to compile and to test for.

``kernel.btf.gz`` beside this file holds some types of a real kernel (6.18, x86-64); ``remake``
takes them from the running one.
"""

from __future__ import annotations

import functools
import gzip
from collections.abc import Collection
from pathlib import Path

from pyebpf.btf import Btf
from pyebpf.btf.extract import extract
from pyebpf.btf.system import kernel_btf
from pyebpf.plain import Frozen
from pyebpf.spec.target import FrozenTracepoints, Lack, Target, TracepointField
from pyebpf.targets import host_target

BTF_FILE = Path(__file__).parent / "kernel.btf.gz"

TRACEPOINTS_WITH_TYPES = (
    "block_rq_issue", "block_rq_complete", "block_rq_insert", "block_rq_merge",
    "sched_switch", "sched_wakeup", "sched_wakeup_new", "sched_process_exec",
    "sched_process_exit", "sched_process_fork", "sched_migrate_task", "sys_enter", "sys_exit",
    "task_rename", "signal_generate", "softirq_entry", "softirq_exit", "irq_handler_entry",
    "irq_handler_exit", "kfree_skb", "inet_sock_set_state", "tcp_retransmit_skb",
)  # fmt: skip
FUNCTIONS = (
    "vfs_read", "vfs_write", "vfs_open", "vfs_create", "vfs_unlink", "vfs_fsync", "vfs_rename",
    "do_filp_open", "do_unlinkat", "tcp_v4_connect", "tcp_v6_connect", "tcp_sendmsg", "tcp_close",
    "tcp_cleanup_rbuf", "inet_csk_accept", "udp_sendmsg", "blk_mq_start_request",
    "do_exit", "wake_up_new_task", "finish_task_switch", "try_to_wake_up", "security_file_open",
    "bpf_lsm_file_open", "bpf_lsm_bprm_check_security", "bpf_lsm_socket_connect",
    "bpf_lsm_inode_unlink", "bpf_iter_task", "bpf_iter_task_file", "bpf_iter_tcp",
    "bpf_iter_bpf_map",
)  # fmt: skip
TYPES = (
    "request", "request_queue", "gendisk", "bio", "task_struct", "cred", "mm_struct",
    "signal_struct", "file", "dentry", "inode", "super_block", "qstr", "path", "pid_t", "sk_buff",
    "sock", "linux_binprm", "irqaction", "list_head", "socket", "sockaddr", "bpf_sock",
    "bpf_tcp_sock", "bpf_iter_meta", "nf_hook_state", "xdp_action", "sk_action",
    *FUNCTIONS,
    *(f"btf_trace_{name}" for name in TRACEPOINTS_WITH_TYPES),
)  # fmt: skip


def fields(*rows: tuple[str, str, int, int, bool]) -> tuple[TracepointField, ...]:
    """Return the fields of a tracepoint: those that all have, and its own."""
    common = (
        ("common_type", "unsigned short", 0, 2, False),
        ("common_flags", "unsigned char", 2, 1, False),
        ("common_preempt_count", "unsigned char", 3, 1, False),
        ("common_pid", "int", 4, 4, True),
    )
    return tuple(TracepointField(*row) for row in (*common, *rows))


_EXIT = fields(("__syscall_nr", "int", 8, 4, True), ("ret", "long", 16, 8, True))
TRACEPOINTS = {
    "sched:sched_switch": fields(
        ("prev_comm", "char[16]", 8, 16, False),
        ("prev_pid", "pid_t", 24, 4, True),
        ("prev_prio", "int", 28, 4, True),
        ("prev_state", "long", 32, 8, True),
        ("next_comm", "char[16]", 40, 16, False),
        ("next_pid", "pid_t", 56, 4, True),
        ("next_prio", "int", 60, 4, True),
    ),
    "sched:sched_process_exec": fields(
        ("filename", "__data_loc char[]", 8, 4, False),
        ("pid", "pid_t", 12, 4, True),
        ("old_pid", "pid_t", 16, 4, True),
    ),
    "syscalls:sys_enter_openat": fields(
        ("__syscall_nr", "int", 8, 4, True),
        ("dfd", "int", 16, 8, False),
        ("filename", "const char *", 24, 8, False),
        ("flags", "int", 32, 8, False),
        ("mode", "umode_t", 40, 8, False),
    ),
    "syscalls:sys_exit_openat": _EXIT,
    "syscalls:sys_enter_read": fields(
        ("__syscall_nr", "int", 8, 4, True),
        ("fd", "unsigned int", 16, 8, False),
        ("buf", "char *", 24, 8, False),
        ("count", "size_t", 32, 8, False),
    ),
    "syscalls:sys_exit_read": _EXIT,
}


class Everything(Frozen):
    """Features of a kernel that can do everything, but for what is named."""

    without: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Tell whether the kernel has a feature."""
        return name not in self.without

    def lack(self, name: str) -> Lack | None:
        """Return something if the kernel has it not."""
        return Lack() if name in self.without else None


@functools.cache
def _btf() -> Btf:
    return Btf.parse(gzip.decompress(BTF_FILE.read_bytes()))


def target(*, without: Collection[str] = (), cpus: int = 2) -> Target:
    """Return the frozen kernel: the same types, tracepoints and features on every machine.

    Args:
        without: features that it lacks, to test what a probe does on older kernels.
        cpus: how many CPUs it has.
    """
    features = Everything(frozenset(without))
    return Target(_btf(), features, FrozenTracepoints(TRACEPOINTS), "x86_64", cpus)


def running() -> Target:
    """Return the running kernel if it can be compiled for, and the frozen one if not."""
    try:
        kernel_btf()
    except Exception:  # noqa: BLE001 - another operating system may fail in any way
        return target()
    return host_target()


def remake() -> None:
    """Write the types anew, from the running kernel."""
    data = extract(kernel_btf(), [name for name in TYPES if _known(name)])
    BTF_FILE.write_bytes(gzip.compress(data, 9, mtime=0))


def _known(name: str) -> bool:
    return bool(kernel_btf().find_all(name))
