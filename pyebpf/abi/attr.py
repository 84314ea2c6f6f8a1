"""Layouts of the parts of ``union bpf_attr``, of the ``bpf_*_info`` structures and of ``perf_event_attr``.

Each layout is a ``struct.Struct`` in native byte order with explicit padding. The kernel accepts an
attribute that is shorter than the union it knows (the rest is zero) or longer (the rest must be zero), so
each stops where the fields used here stop.

Source: ``include/uapi/linux/bpf.h``, ``include/uapi/linux/perf_event.h``.
"""

from __future__ import annotations

import os
import sys
from struct import Struct

# map_type key_size value_size max_entries map_flags inner_map_fd numa_node | map_name | map_ifindex
# btf_fd btf_key_type_id btf_value_type_id btf_vmlinux_value_type_id | map_extra
MAP_CREATE = Struct("=7I16s5IQ")
# value_type_btf_obj_fd map_token_fd: what follows where a BPF token is shown
MAP_CREATE_TOKEN = Struct("=Ii")
# map_fd | key | value or next_key | flags
MAP_ELEM = Struct("=I4xQQQ")
# in_batch out_batch keys values | count map_fd | elem_flags flags
MAP_BATCH = Struct("=4QIIQQ")
MAP_BATCH_COUNT = 32  #: where ``count`` is, which the kernel writes back

# prog_type insn_cnt | insns license | log_level log_size | log_buf | kern_version prog_flags |
# prog_name | prog_ifindex expected_attach_type prog_btf_fd func_info_rec_size | func_info |
# func_info_cnt line_info_rec_size | line_info | line_info_cnt attach_btf_id
# attach_prog_fd or attach_btf_obj_fd, core_relo_cnt | fd_array core_relos |
# core_relo_rec_size log_true_size
PROG_LOAD = Struct("=2I2Q2IQ2I16s4IQ2IQ4I2Q2I")
# prog_token_fd: what follows where a BPF token is shown
PROG_LOAD_TOKEN = Struct("=i")
PROG_LOAD_LOG_TRUE_SIZE = 140  #: where the kernel writes the size that the log wanted (Linux 6.4)

# pathname | bpf_fd file_flags
OBJ_PATH = Struct("=QII")
# bpf_fd info_len | info
OBJ_INFO = Struct("=IIQ")
OBJ_INFO_LEN = 4
# start_id next_id open_flags; also prog_fd map_fd flags (BPF_PROG_BIND_MAP)
THREE_WORDS = Struct("=3I")
# prog_fd retval data_size_in data_size_out | data_in data_out | repeat duration ctx_size_in ctx_size_out |
# ctx_in ctx_out | flags cpu batch_size
TEST_RUN = Struct("=4I2Q4I2Q3I4x")
# name | prog_fd | cookie
RAW_TRACEPOINT = Struct("=QI4xQ")
# btf btf_log_buf | btf_size btf_log_size btf_log_level btf_log_true_size
BTF_LOAD = Struct("=2Q4I")
BTF_LOAD_LOG_TRUE_SIZE = 28
# btf_flags btf_token_fd: what follows where a BPF token is shown
BTF_LOAD_TOKEN = Struct("=Ii")
# prog_fd target_fd attach_type flags; what follows depends on the attach type
LINK_CREATE = Struct("=4I")
LINK_CREATE_PERF = Struct("=Q")  #: perf_event.bpf_cookie
LINK_CREATE_TRACING = Struct("=I4xQ")  #: tracing.target_btf_id, tracing.cookie
# flags cnt | syms | addrs | cookies
KPROBE_MULTI = Struct("=2I3Q")
# path | offsets | ref_ctr_offsets | cookies | cnt flags pid
UPROBE_MULTI = Struct("=4Q3I4x")
LINK_CREATE_ITER = Struct("=QI4x")  #: iter_info iter_info_len
# union bpf_iter_link_info: map.map_fd; cgroup.order cgroup_fd cgroup_id; task.tid pid pid_fd
ITER_MAP = Struct("=I")
ITER_CGROUP = Struct("=2IQ")
ITER_TASK = Struct("=3I")
LINK_CREATE_NETFILTER = Struct("=2IiI")  #: netfilter: pf hooknum priority flags
# link_fd new_prog_fd flags old_prog_fd
LINK_UPDATE = Struct("=4I")
# one descriptor or number: BPF_LINK_DETACH, BPF_ENABLE_STATS, BPF_MAP_FREEZE; two: BPF_ITER_CREATE,
# BPF_TOKEN_CREATE (flags bpffs_fd)
ONE_WORD = Struct("=I")
TWO_WORDS = Struct("=2I")
# target_fd attach_bpf_fd attach_type attach_flags replace_bpf_fd
PROG_ATTACH = Struct("=5I")

# struct bpf_map_info up to map_extra: type id key_size value_size max_entries map_flags | name |
# ifindex btf_vmlinux_value_type_id | netns_dev netns_ino | btf_id btf_key_type_id btf_value_type_id |
# map_extra (0 before Linux 5.16)
MAP_INFO = Struct("=6I16s2I2Q3I4xQ")
# struct bpf_prog_info: type id | tag | jited_prog_len xlated_prog_len | jited_prog_insns xlated_prog_insns |
# load_time | created_by_uid nr_map_ids | map_ids | name | ifindex, gpl_compatible | netns_dev netns_ino |
# nr_jited_ksyms nr_jited_func_lens | jited_ksyms jited_func_lens | btf_id func_info_rec_size | func_info |
# nr_func_info nr_line_info | line_info jited_line_info | nr_jited_line_info line_info_rec_size
# jited_line_info_rec_size nr_prog_tags | prog_tags | run_time_ns run_cnt recursion_misses |
# verified_insns attach_btf_obj_id | attach_btf_id
PROG_INFO = Struct("=2I8s2I2QQ2IQ16s2I2Q2I2Q2IQ2I2Q4IQ3Q2II4x")
# struct bpf_btf_info: btf | btf_size id | name | name_len kernel_btf
BTF_INFO = Struct("=Q2IQ2I")
# struct bpf_link_info: type id prog_id; what follows depends on the type
LINK_INFO = Struct("=3I")
LINK_INFO_SIZE = 128  #: room for every kind of link known today

# struct perf_event_attr: type size | config | sample_period or sample_freq | sample_type read_format |
# flag bits | wakeup_events bp_type | config1 config2
PERF_EVENT_ATTR = Struct("=2I4QQ2I2Q")
PERF_ATTR_DISABLED = 1 << 0
PERF_ATTR_INHERIT = 1 << 1
PERF_ATTR_EXCLUDE_USER = 1 << 4
PERF_ATTR_EXCLUDE_KERNEL = 1 << 5
PERF_ATTR_EXCLUDE_HV = 1 << 6
PERF_ATTR_FREQ = 1 << 10
PERF_ATTR_INHERIT_THREAD = 1 << 35


def perf_event_attr(  # noqa: PLR0913 - one argument for each field of the kernel's structure
    kind: int,
    config: int,
    *,
    sample_period: int = 0,
    sample_type: int = 0,
    flags: int = 0,
    wakeup_events: int = 0,
    config1: int = 0,
    config2: int = 0,
    breakpoint_access: int = 0,
) -> bytes:
    """Pack a ``struct perf_event_attr``.

    Args:
        kind: ``PERF_TYPE_*`` or the number of a dynamic PMU.
        config: what to count, within ``kind``.
        sample_period: events per sample; samples per second when ``flags`` has ``PERF_ATTR_FREQ``.
        sample_type: bits of ``PERF_SAMPLE_*``.
        flags: bits of ``PERF_ATTR_*``.
        wakeup_events: samples per wake-up.
        config1: the ``bp_addr``, ``uprobe_path`` or ``kprobe_func`` word.
        config2: the ``bp_len``, ``probe_offset`` or ``kprobe_addr`` word.
        breakpoint_access: the ``bp_type`` word, ``HW_BREAKPOINT_*``.
    """
    return PERF_EVENT_ATTR.pack(
        kind, PERF_EVENT_ATTR.size, config, sample_period, sample_type, 0, flags, wakeup_events,
        breakpoint_access, config1, config2,
    )  # fmt: skip


#: ``bpf``, ``perf_event_open`` by ``os.uname().machine``. Source: the kernel's ``syscall.tbl`` files.
_NUMBERS = {
    "x86_64": (321, 298),
    "aarch64": (280, 241),
    "riscv64": (280, 241),
    "loongarch64": (280, 241),
    "s390x": (351, 331),
    "ppc64le": (361, 319),
    "ppc64": (361, 319),
}


class SyscallNumbers:
    """Numbers of the system calls that the C library has no function for."""

    #: The same on every architecture (Linux 5.2 and later numbers are).
    fsopen, fsconfig, fsmount = 430, 431, 432

    def __init__(self, machine: str | None = None) -> None:
        machine = machine or os.uname().machine
        if machine not in _NUMBERS or sys.maxsize < 1 << 32:
            raise LookupError(
                f"the system call numbers of {machine!r} (with {sys.maxsize.bit_length() + 1}-bit Python) "
                f"are not known; known are 64-bit {', '.join(_NUMBERS)}: add a row to pyebpf/abi/attr.py"
            )
        self.bpf, self.perf_event_open = _NUMBERS[machine]
