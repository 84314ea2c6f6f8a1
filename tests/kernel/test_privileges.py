"""What each thing needs is enough for it, and what is missing is named: nothing more, nothing less.

Children with exactly these capabilities do what they are for, in places of their own.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyebpf import (
    Array,
    Events,
    Hash,
    IterContext,
    PerfEventArray,
    PerfEventContext,
    Probe,
    Ptr,
    RawTracepointContext,
    SkBuffContext,
    TracepointContext,
    UprobeContext,
    XdpContext,
    cgroup_skb,
    comm,
    compile_probes,
    iter,  # noqa: A004 - the kernel's word
    kernel_context,
    load,
    perf_event,
    raw_tracepoint,
    socket_filter,
    tc,
    tgid,
    tp_btf,
    tracepoint,
    u32,
    u64,
    uprobe,
    xdp,
)
from pyebpf.abi import capability
from pyebpf.abi import constants as c
from pyebpf.abi import insn as i
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.abi.programs import PROGRAM_KINDS, ProgramKind
from pyebpf.errors import KernelError, VerifierError
from pyebpf.kernel import task_struct
from pyebpf.net import Ethernet
from pyebpf.runtime import policy, syscall
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.probing import MAP_SHAPES
from pyebpf.runtime.refusal import refusal
from tests.conftest import open_kernel_objects
from tests.kernel.children import in_child, in_own_bpffs, own_mounts
from tests.kernel.containers import NoNamespaceError, in_container
from tests.kernel.namespaces import in_own_network, own_cgroup
from tests.kernel.privileges import lift_memory_limit, with_only

pytestmark = pytest.mark.kernel

NOBODY = 65534
RETURN_1 = i.assemble(i.mov64_imm(i.R0, 1), i.exit_insn())


def missing(needs: tuple[str, ...], what: Callable[[], Any], *, uid: int = 0) -> None:
    """Check that without each of these capabilities it fails, and the error names just that one."""
    for name in needs:

        def without(name: str = name) -> None:
            with pytest.raises(KernelError) as refused:
                what()
            text = str(refused.value)
            assert refused.value.capability == name, text
            assert f"this needs {name}, which this process lacks" in text
            assert "kernel lacks" not in text
            assert "ulimit" not in text

        with_only([other for other in needs if other != name], without, uid=uid)


# The tables


def can_be_tried(row: ProgramKind) -> bool:
    return not row.needs_btf_id and row.prog_type not in (
        c.BPF_PROG_TYPE_STRUCT_OPS,
        c.BPF_PROG_TYPE_LIRC_MODE2,
    )


KINDS = {row.prog_type: row for row in reversed(PROGRAM_KINDS.values()) if can_be_tried(row)}


@pytest.mark.parametrize("row", KINDS.values(), ids=lambda row: row.name)
def test_each_kind_of_program_needs_what_the_table_says(
    row: ProgramKind, requires: Callable[[str], None]
) -> None:
    requires(f"prog:{row.name}")

    def try_it() -> None:
        fd, _ = syscall.prog_load(
            row.prog_type, RETURN_1, "GPL", expected_attach_type=row.attach_type, flags=row.flags,
            explain=False,
        )  # fmt: skip
        os.close(fd)

    needs = capability.for_program(row.prog_type)
    with_only(needs, try_it)
    if policy.unprivileged_bpf_disabled() or not capability.unprivileged_program(row.prog_type):
        missing(needs, try_it)


TRIED_MAPS = [
    name
    for name in MAP_KINDS
    if not name.endswith(("_of_maps", "_storage")) and name not in ("struct_ops", "insn_array")
]


@pytest.mark.parametrize("name", TRIED_MAPS)
def test_each_kind_of_map_needs_what_the_table_says(
    name: str, requires: Callable[[str], None]
) -> None:
    requires(f"map:{name}")
    row = MAP_KINDS[name]
    key, value, entries, flags = MAP_SHAPES.get(name, (4, 4, 1, 0))

    def try_it() -> None:
        os.close(syscall.map_create(row.id, key, value, entries, flags=flags))

    needs = capability.for_map(row.id)
    with_only(needs, try_it)
    if policy.unprivileged_bpf_disabled() or not capability.unprivileged_map(row.id):
        missing(needs, try_it)


def test_btf_and_ids() -> None:
    missing(("CAP_SYS_ADMIN",), lambda: syscall.next_id("prog"))


def test_what_is_forbidden_to_all_by_a_setting_is_said_so() -> None:
    if not policy.unprivileged_bpf_disabled():
        pytest.skip("kernel.unprivileged_bpf_disabled is 0 here")

    def inside() -> None:
        with pytest.raises(KernelError, match=r"unprivileged_bpf_disabled is [12], so nothing"):
            syscall.map_create(c.BPF_MAP_TYPE_ARRAY, 4, 4, 1)
        with pytest.raises(KernelError) as other:
            syscall.map_create(c.BPF_MAP_TYPE_LRU_HASH, 4, 4, 1)
        assert "unprivileged" not in str(other.value)

    with_only([], inside)


# Whole probes: compiled, loaded, attached, and run

counts = Hash[u32, u64](max_entries=16)
sent = Events[u64](pages=1)
calls = Array[u64](max_entries=2)


@tracepoint("syscalls:sys_enter_getppid")
def at_tracepoint(ctx: TracepointContext) -> None:
    counts[tgid()] += 1


@raw_tracepoint("sys_enter")
def at_raw(ctx: RawTracepointContext) -> None:
    if comm() == "no such program":
        counts[tgid()] += 1


@tp_btf("sched_process_exit")
def at_btf(task: Ptr[task_struct]) -> None:
    counts[task.tgid] += task.mm.total_vm


@iter("task")
def at_tasks(ctx: IterContext, task: Ptr[task_struct] | None) -> None:
    if task is not None:
        counts[0] += 1


@perf_event("page-faults", period=1)
def at_faults(ctx: PerfEventContext) -> None:
    if tgid() == 1:
        calls[0] += 1


@uprobe("c", "strerror")
def at_strerror(ctx: UprobeContext) -> None:
    calls[0] += 1


@xdp
def at_xdp(ctx: XdpContext) -> int:
    first = ctx.packet(Ethernet, 0)
    total = 0
    for index in range(8):
        total += index
    if first is not None:
        calls[0] += total
    return 2


@tc
def at_tc(ctx: SkBuffContext) -> int:
    calls[1] += ctx.len
    return 0


@socket_filter
def at_socket(ctx: SkBuffContext) -> int:
    calls[0] += 1
    return ctx.len


@cgroup_skb("ingress")
def at_cgroup(ctx: SkBuffContext) -> int:
    calls[0] += 1
    return 1


def or_as_administrator(what: Callable[[], Any]) -> Callable[[], None]:
    """Let perf events be refused by kernels that want CAP_SYS_ADMIN for them, if they say so."""

    def tried() -> None:
        refused = None
        try:
            what()
        except KernelError as error:
            refused = error
        assert refused is None or refused.capability == "CAP_SYS_ADMIN", refused

    return tried


TRACING = ("CAP_BPF", "CAP_PERFMON")
NETWORK = ("CAP_BPF", "CAP_NET_ADMIN")


@pytest.fixture(scope="module", autouse=True)
def _everything_is_imported() -> None:
    """Import what compiles and loads, as root: nobody else may be able to read it."""
    lift_memory_limit()
    compile_probes(sends)
    load(sends).close()


def start(probe: Probe, **at: Any) -> None:
    with load(probe, attach=not at) as session:
        if at:
            session.attach(probe, **at)


@pytest.mark.parametrize("uid", [0, NOBODY], ids=["root", "nobody"])
@pytest.mark.parametrize("probe", [at_raw, at_btf, at_tasks, at_faults], ids=lambda p: p.name)
def test_tracing_needs_two_capabilities(
    probe: Probe, uid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYEBPF_CACHE", "off")
    kind = or_as_administrator if probe is at_faults else lambda what: what
    with_only(TRACING, kind(lambda: start(probe)), uid=uid)
    missing(TRACING, lambda: start(probe), uid=uid)


def mounted_tracefs() -> None:
    own_mounts()
    libc = ctypes.CDLL(None, use_errno=True)
    refused = libc.mount(b"tracefs", b"/sys/kernel/tracing", b"tracefs", 0, None)
    if refused and ctypes.get_errno() != errno.EBUSY:  # it is there already
        raise OSError(ctypes.get_errno(), "mounting tracefs")


def test_a_tracepoint_needs_them_and_to_read_tracefs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYEBPF_CACHE", "off")

    def inside() -> None:
        mounted_tracefs()
        with_only(TRACING, or_as_administrator(lambda: start(at_tracepoint)))
        with_only((*TRACING, "CAP_SYS_ADMIN"), lambda: start(at_tracepoint))
        missing(TRACING, lambda: start(at_tracepoint))
        # Who is not its owner may not read it.
        reading = (*TRACING, "CAP_DAC_READ_SEARCH")
        with_only(reading, or_as_administrator(lambda: start(at_tracepoint)), uid=NOBODY)
        missing(reading[2:], lambda: start(at_tracepoint), uid=NOBODY)

        def closed() -> None:
            with pytest.raises(KernelError, match="mount -o remount,gid=GROUP,mode=750") as refused:
                start(at_tracepoint)
            assert "@raw_tracepoint and @tp_btf need no tracefs" in str(refused.value)

        with_only(TRACING, closed, uid=NOBODY)

    in_child(inside)


def test_a_function_of_a_binary_needs_what_the_kernel_wants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYEBPF_CACHE", "off")
    with_only((*TRACING, "CAP_SYS_ADMIN"), lambda: start(at_strerror))
    missing(TRACING[:1], lambda: start(at_strerror))

    with_only(TRACING, or_as_administrator(lambda: start(at_strerror)))

    def without_perfmon() -> None:
        with pytest.raises(KernelError) as refused:
            start(at_strerror)
        assert refused.value.capability == "CAP_PERFMON"

    with_only(["CAP_BPF"], without_perfmon)


@pytest.mark.parametrize("uid", [0, NOBODY], ids=["root", "nobody"])
def test_packets_need_two_capabilities(
    uid: int, monkeypatch: pytest.MonkeyPatch, requires: Callable[[str], None]
) -> None:
    # Of 5.11, as it is that addresses in packets may be compared without CAP_PERFMON.
    requires("memcg_accounting")
    monkeypatch.setenv("PYEBPF_CACHE", "off")
    tcx = KernelFeatures(keep=False).has("tcx")

    def inside() -> None:
        for probe, at in (
            (at_xdp, {"device": "lo", "mode": "generic"}),
            (at_tc, {"device": "lo", "way": "ingress"}),
        ):
            where = at if probe is at_xdp or tcx else {}
            with_only(NETWORK, lambda: start(probe, **where), uid=uid)  # noqa: B023
            missing(NETWORK, lambda: start(probe, **where), uid=uid)  # noqa: B023

    in_own_network(inside)


@xdp
def far_into_the_packet(ctx: XdpContext) -> int:
    first = ctx.packet(Ethernet, 0)
    if first is not None and (more := ctx.packet(Ethernet, at=14 + (first.kind & 60))) is not None:
        calls[0] += more.kind
    return 2


@tc
def reads_the_kernel(ctx: SkBuffContext) -> int:
    calls[0] += kernel_context(ctx).dev.ifindex
    return 0


@pytest.mark.parametrize("probe", [far_into_the_packet, reads_the_kernel], ids=lambda p: p.name)
def test_what_packets_need_more_for_some_things(
    probe: Probe, monkeypatch: pytest.MonkeyPatch, requires: Callable[[str], None]
) -> None:
    """Arithmetic on pointers, and memory of the kernel, are for CAP_PERFMON."""
    if probe is reads_the_kernel:
        requires("rdonly_cast")  # which came with the function that gives the kernel's context
    monkeypatch.setenv("PYEBPF_CACHE", "off")

    def only_loaded() -> None:
        load(probe, attach=False).close()

    def without() -> None:
        refused = None
        try:
            only_loaded()
        except VerifierError as error:
            refused = error
        if refused is None:
            # The verifier of Linux 7 knows the limits of such arithmetic without it.
            assert probe is far_into_the_packet
            return
        assert "lacks CAP_PERFMON, without which" in str(refused)
        assert refused.capability == "CAP_PERFMON"

    with_only((*NETWORK, "CAP_PERFMON"), only_loaded)
    with_only(NETWORK, without)


def test_a_socket_and_a_cgroup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYEBPF_CACHE", "off")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as given:
        with_only(["CAP_BPF"], lambda: start(at_socket, socket=given), uid=NOBODY)
    with own_cgroup() as group:
        with_only(NETWORK, lambda: start(at_cgroup, cgroup=str(group)))
        missing(NETWORK, lambda: start(at_cgroup, cgroup=str(group)))


def test_a_perf_buffer_that_may_not_be_locked_is_explained(
    monkeypatch: pytest.MonkeyPatch, requires: Callable[[str], None]
) -> None:
    requires("memcg_accounting")  # else the limit refuses the programs first
    monkeypatch.setenv("PYEBPF_CACHE", "off")

    def inside() -> None:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        with pytest.raises(KernelError, match="fewer pages") as refused:
            start(sends)
        assert refused.value.capability == "CAP_IPC_LOCK"

    paranoid = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    if paranoid < 0:
        pytest.skip("kernel.perf_event_paranoid lets all lock memory here")
    if paranoid > 2:
        pytest.skip("kernel.perf_event_paranoid is above 2: Debian's kernels ask for CAP_SYS_ADMIN")
    with_only(TRACING, inside, uid=NOBODY)


large = PerfEventArray[u64](pages=1024)


@raw_tracepoint("sys_enter")
def sends(ctx: RawTracepointContext) -> None:
    if tgid() == 1:
        large.emit(ctx.args[0])


# What is no lack of capabilities


def test_a_policy_is_not_taken_for_a_missing_capability() -> None:
    text = str(refusal(errno.EPERM, "trying", needs=("CAP_BPF",)))
    assert "CAP_BPF held, so a policy refuses it: " in text
    assert "ulimit" not in text


def test_capabilities_inside_a_user_namespace_do_not_count() -> None:
    def inside(_: str) -> None:
        with pytest.raises(KernelError, match="inside a user namespace does not count") as refused:
            start(at_raw)
        assert refused.value.capability is None

    try:
        in_container(inside)
    except NoNamespaceError as error:
        pytest.skip(f"no user namespace here: {error}")


@in_own_bpffs
def test_nothing_of_a_refused_load_stays() -> None:
    def inside() -> None:
        with pytest.raises(KernelError):
            start(at_raw)
        assert not open_kernel_objects()

    with_only([], inside)
