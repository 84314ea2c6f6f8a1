"""The tables agree with themselves; tests/kernel/test_abi_tables.py compares them with a kernel."""

from __future__ import annotations

import inspect
import re

import kind_pages
import pytest

import pyebpf
from pyebpf.abi import capability, constants, names
from pyebpf.abi.attr import SyscallNumbers, perf_event_attr
from pyebpf.abi.maps import MAP_KINDS, map_kind_by_id
from pyebpf.abi.programs import PROGRAM_KINDS, program_kind_of_section
from pyebpf.errors import NotSupportedError
from pyebpf.runtime.links import STRATEGIES


def test_every_map_type_of_the_header_has_a_row() -> None:
    ids = {v for k, v in vars(constants).items() if k.startswith("BPF_MAP_TYPE_") and v}
    assert {row.id for row in MAP_KINDS.values()} == ids
    assert all(map_kind_by_id(row.id) is row for row in MAP_KINDS.values())
    assert map_kind_by_id(0) is None


def test_per_cpu_kinds_say_so() -> None:
    per_cpu = {name for name, row in MAP_KINDS.items() if row.per_cpu}
    assert per_cpu == {name for name in MAP_KINDS if "percpu" in name}


def test_every_program_type_of_the_header_has_a_row() -> None:
    ids = {v for k, v in vars(constants).items() if k.startswith("BPF_PROG_TYPE_") and v}
    assert {row.prog_type for row in PROGRAM_KINDS.values()} == ids


def test_a_program_kind_either_attaches_or_says_why_not() -> None:
    for row in PROGRAM_KINDS.values():
        assert bool(row.strategy) != bool(row.reason), row.name


def test_every_strategy_of_a_row_is_there() -> None:
    for row in PROGRAM_KINDS.values():
        assert row.strategy in {None, *STRATEGIES}, row.name
    for how in STRATEGIES.values():
        assert callable(how.strategy)


@pytest.mark.parametrize(
    ("section", "kind", "hook"),
    [
        ("tp/sched/sched_switch", "tracepoint", "sched/sched_switch"),
        ("tracepoint/syscalls/sys_enter_openat", "tracepoint", "syscalls/sys_enter_openat"),
        ("raw_tp/sys_enter", "raw_tp", "sys_enter"),
        ("raw_tracepoint/sys_enter", "raw_tp", "sys_enter"),
        ("tp_btf/block_rq_issue", "tp_btf", "block_rq_issue"),
        ("fentry.s/vfs_read", "fentry.s", "vfs_read"),
        ("uprobe//bin/bash:readline", "uprobe", "/bin/bash:readline"),
        ("kprobe.multi/vfs_*", "kprobe.multi", "vfs_*"),
        ("iter/task", "iter", "task"),
        ("kprobe", "kprobe", ""),
        ("xdp", "xdp", ""),
        ("xdp/cpumap", "xdp_cpumap", ""),
        ("tc", "tc", ""),
        ("classifier", "tc", ""),
        ("cgroup_skb/egress", "cgroup_skb_egress", ""),
        ("cgroup/connect4", "cgroup_connect4", ""),
        ("socket", "socket_filter", ""),
        ("syscall", "syscall", ""),
    ],
)
def test_sections(section: str, kind: str, hook: str) -> None:
    assert program_kind_of_section(section) == (PROGRAM_KINDS[kind], hook)


@pytest.mark.parametrize("section", ["", "xdp/eth0", "kprobes/x", ".text", "kprobe/", "tp_btf.x/y"])
def test_sections_that_name_no_kind(section: str) -> None:
    with pytest.raises(NotSupportedError, match="names no kind of program"):
        program_kind_of_section(section)


def test_a_row_is_found_by_each_of_its_sections() -> None:
    for name, row in PROGRAM_KINDS.items():
        for section in row.sections:
            found, hook = program_kind_of_section(section + "x" * section.endswith("/"))
            assert found is row, name
            assert hook == "x" * section.endswith("/")


def test_names_of_numbers() -> None:
    assert names.map_type_name(constants.BPF_MAP_TYPE_RINGBUF) == "ringbuf"
    assert names.prog_type_name(constants.BPF_PROG_TYPE_SCHED_CLS) == "sched_cls"
    assert names.link_type_name(constants.BPF_LINK_TYPE_PERF_EVENT) == "perf_event"
    assert names.attach_type_name(constants.BPF_TRACE_RAW_TP) == "BPF_TRACE_RAW_TP"
    assert names.command_name(constants.BPF_LINK_CREATE) == "BPF_LINK_CREATE"
    assert names.command_name(999) == "bpf command 999"
    assert names.map_type_name(999) == "kind 999"


def test_capabilities() -> None:
    tracing = capability.for_program(constants.BPF_PROG_TYPE_TRACEPOINT)
    bpf, perfmon, admin = 1 << 39, 1 << 38, 1 << 21
    assert capability.missing(tracing, 0) == ("CAP_BPF", "CAP_PERFMON")
    assert capability.missing(tracing, bpf) == ("CAP_PERFMON",)
    assert capability.missing(tracing, bpf | perfmon) == ()
    assert capability.missing(tracing, admin) == ()
    assert capability.missing(("CAP_NET_ADMIN",), admin) == ()
    for name in ("CAP_SYS_RESOURCE", "CAP_IPC_LOCK", "CAP_DAC_READ_SEARCH"):
        assert capability.missing((name,), admin) == (name,)
    assert capability.for_program(constants.BPF_PROG_TYPE_SK_REUSEPORT) == ("CAP_BPF",)
    assert capability.for_link(constants.BPF_XDP) == ("CAP_BPF",)
    skb = capability.for_link(constants.BPF_CGROUP_INET_EGRESS)
    assert skb == ("CAP_BPF", "CAP_NET_ADMIN")
    assert capability.for_map(constants.BPF_MAP_TYPE_DEVMAP) == ("CAP_BPF", "CAP_NET_ADMIN")
    assert capability.for_command(constants.BPF_MAP_GET_NEXT_ID) == ("CAP_SYS_ADMIN",)


def test_numbers_of_system_calls() -> None:
    assert (SyscallNumbers("x86_64").bpf, SyscallNumbers("aarch64").bpf) == (321, 280)
    with pytest.raises(LookupError, match=r"'vax'.*known are"):
        SyscallNumbers("vax")


def test_perf_event_attr() -> None:
    attr = perf_event_attr(2, 0x1234, sample_period=1, wakeup_events=7, config1=5, config2=6)
    words = memoryview(attr).cast("Q")
    assert (len(attr), words[0], words[1], words[2]) == (72, 2 | 72 << 32, 0x1234, 1)
    assert (words[6], words[7], words[8]) == (7, 5, 6)


def test_every_decorator_is_on_the_page() -> None:
    public = {
        name
        for name in pyebpf.__all__
        if getattr(getattr(pyebpf, name), "__module__", "").startswith("pyebpf.dsl.probes.")
        and inspect.isfunction(getattr(pyebpf, name))
    }
    written = {re.split(r"\W", form)[0] for form in kind_pages.FORMS.split()}
    assert public - {"first_of"} == written  # it is of no kind: it takes the others
