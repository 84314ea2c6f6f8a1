"""Compiled for another kernel, loaded into this one: fields are found where they are here (CO-RE).

The other kernel is this one with its types changed: fields moved, a struct under another name.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pyebpf import (
    Array,
    Char,
    Hash,
    Probe,
    Ptr,
    Target,
    cast,
    chars,
    current_task,
    has_enumerator,
    has_field,
    host_target,
    load,
    raw_tracepoint,
    record,
    sizeof,
    tgid,
    tp_btf,
    u32,
    u64,
)
from pyebpf.btf import Btf
from pyebpf.btf.extract import (
    all_of,
    as_bits,
    drop_field,
    extract,
    move,
    rename,
    rename_field,
    retype,
)
from pyebpf.btf.system import kernel_btf
from pyebpf.btf.write import Builder
from pyebpf.errors import VerifierError
from pyebpf.kernel import bpf_map_type, task_struct, task_struct___doctored
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel

OWN = os.getpid()
_RESET_ON_FORK = 0x40000000  # SCHED_RESET_ON_FORK: include/uapi/linux/sched.h
#: Elsewhere a helper reads what is behind ``current_task()``.
by_load = pytest.mark.skipif(
    not host_target().has("helper:get_current_task_btf"),
    reason="the fields of the current task are read by a helper here",
)
#: Far from where they are, and out of order.
MOVED = all_of(
    move("pid", 8), move("tgid", 4096), move("comm", 1), move("real_parent", 16), move("flags", 0)
)
numbers = Array[u64](max_entries=8)


@record
class Names:
    mine: Char = chars(16)
    parents: Char = chars(16)


names = Hash[u32, Names](max_entries=2)


def target(changes: dict[str, Any], *more: str) -> Target:
    here = host_target()
    data = extract(kernel_btf(), ("task_struct", "btf_trace_sys_enter", *more), changes)
    return Target(
        Btf.parse(data), here.features, here.tracepoints, here.arch, here.cpus, "doctored"
    )


@raw_tracepoint("sys_enter")
def read() -> int:
    task = current_task()
    numbers[0] = task.pid
    numbers[1] = task.tgid
    numbers[2] = task.real_parent.tgid
    numbers[3] = task.sched_reset_on_fork
    numbers[4] = sizeof(task_struct)
    names[1] = Names(mine=task.comm, parents=task.real_parent.comm)
    return 1


def check(probe: Probe, target: Target) -> None:
    with loaded(probe, target=target) as session:
        assert fire(session, probe) == 1
        parent = os.getppid()
        here = kernel_btf()
        size = here.type(here.find("task_struct")).size  # type: ignore[union-attr]
        assert session[numbers].view()[:5].tolist() == [OWN, OWN, parent, 0, size]
        found = session[names][1]
        assert found.mine == Path("/proc/self/comm").read_text().rstrip("\n")
        assert found.parents == Path(f"/proc/{parent}/comm").read_text().rstrip("\n")


def test_moved_fields_are_found() -> None:
    check(read, target({"task_struct": MOVED}))


@raw_tracepoint("sys_enter")
def reads_what_is_gone() -> int:
    numbers[0] = current_task().only_there
    return 1


def test_a_field_that_only_the_target_has_is_refused_by_name() -> None:
    changed = target({"task_struct": rename_field("pid", "only_there")})
    with pytest.raises(VerifierError) as refusal, loaded(reads_what_is_gone, target=changed):
        pass
    assert "only_there" in str(refusal.value)
    assert "numbers[0] = current_task().only_there" in str(refusal.value)


@raw_tracepoint("sys_enter")
def read_flavour(task: Any = None) -> int:
    return 1


@tp_btf("task_rename")
def renamed(task: Ptr[task_struct___doctored]) -> None:
    if tgid() == OWN:
        numbers[0] = task.pid
        numbers[1] = task.tgid
        numbers[2] = task.real_parent.tgid


def test_a_flavour_stands_for_the_type_without_its_suffix() -> None:
    doctored = all_of(MOVED, rename("task_struct___doctored"))
    changed = target({"task_struct": doctored}, "btf_trace_task_rename")
    assert changed.btf is not None
    with pytest.raises(KeyError):
        changed.btf.find("task_struct")
    with load(renamed, target=changed) as session:
        own = Path("/proc/self/comm")
        own.write_text(own.read_text().rstrip("\n"))  # gives the thread the name that it has
        assert session[numbers].view()[:3].tolist() == [OWN, OWN, os.getppid()]


def test_the_target_really_differs() -> None:
    """Without relocation the values would be wrong: the moved offsets are in the object."""
    moved = target({"task_struct": MOVED}).btf
    assert moved is not None
    here = {m.name: m.bit_offset for m in members(kernel_btf())}
    there = {m.name: m.bit_offset for m in members(moved)}
    assert all(here[n] != there[n] for n in ("pid", "tgid", "comm", "real_parent"))


def members(btf: Btf) -> Any:
    return btf.type(btf.find("task_struct")).members  # type: ignore[union-attr]


@raw_tracepoint("sys_enter")
def guarded() -> int:
    numbers[0] = 7
    if has_field(task_struct, "pid"):
        numbers[0] = current_task().pid
    numbers[1] = has_field(task_struct, "tgid")
    numbers[2] = has_field(task_struct, "comm")
    return 1


def test_has_field_is_answered_by_the_kernel_that_runs() -> None:
    """The target lacks ``comm``, so the answer is no; the others are asked of this kernel."""
    with loaded(guarded, target=target({"task_struct": drop_field("comm")})) as session:
        assert fire(session, guarded) == 1
        assert session[numbers].view()[:3].tolist() == [OWN, 1, 0]


@raw_tracepoint("sys_enter")
def retyped() -> int:
    task = current_task()
    numbers[0] = task.flags
    numbers[1] = task.start_time
    numbers[2] = task.pid
    numbers[3] = task.tgid
    return 1


def values(probe: Probe, chosen: Target | None) -> list[int]:
    with loaded(probe, target=chosen) as session:
        assert fire(session, probe) == 1
        found: list[int] = session[numbers].view()[:4].tolist()
        return found


@raw_tracepoint("sys_enter")
def retyped_by_helper() -> int:
    task = cast(Ptr[task_struct], current_task())
    numbers[0] = task.flags
    numbers[1] = task.start_time
    numbers[2] = task.pid
    numbers[3] = task.tgid
    return 1


@pytest.mark.parametrize("probe", [retyped, retyped_by_helper], ids=["load", "helper"])
def test_numbers_that_are_wider_or_narrower_here(probe: Probe) -> None:
    """The target has 64 bits where this kernel has 32, and the other way round."""
    changes = all_of(retype("flags", "start_time"), move("flags", 8_000))
    swapped = target({"task_struct": all_of(changes, retype("start_time", "personality"))})
    right = values(probe, None)
    found = values(probe, swapped)
    assert right[2:] == found[2:] == [OWN, OWN]
    assert found[0] == right[0]
    # Seconds after the machine has started, its clock still fits into 32 bits: then both are equal.
    assert found[1] & 0xFFFFFFFF == right[1] & 0xFFFFFFFF
    assert right[0] < 1 << 32


@raw_tracepoint("sys_enter")
def reads_a_signed_number() -> int:
    task = cast(Ptr[task_struct], current_task())
    numbers[0] = task.exit_signal
    return 1


@pytest.mark.parametrize("there", ["exit_signal", "start_time"])
def test_a_helper_reads_a_number_with_the_sign_that_it_has_here(there: str) -> None:
    """Of a thread it is -1, in 32 bits; the target has the same, or 64 bits without a sign."""
    changed = target({"task_struct": retype("exit_signal", there)})
    found: list[int] = []
    thread = Thread(target=lambda: found.extend(values(reads_a_signed_number, changed)))
    thread.start()
    thread.join()
    assert found[0] == (1 << 64) - 1


def test_a_number_that_is_a_bit_field_in_the_target() -> None:
    """It is read by what this kernel says of it: where it lies, and how wide it is."""
    bits = all_of(move("pid", 8_000), as_bits("pid", 3), move("tgid", 8_016), as_bits("tgid", 22))
    assert values(retyped, target({"task_struct": bits}))[2:] == [OWN, OWN]


@raw_tracepoint("sys_enter")
def reads_a_number() -> int:
    numbers[0] = current_task().sched_reset_on_fork
    return 1


@by_load
def test_a_number_that_is_a_bit_field_here_is_refused_by_name() -> None:
    """A load of a word that holds other bits too would give a wrong number."""
    whole = target({"task_struct": all_of(as_bits("sched_reset_on_fork", 0))})
    with pytest.raises(VerifierError, match="sched_reset_on_fork") as refusal:
        values(reads_a_number, whole)
    assert "numbers[0] = current_task().sched_reset_on_fork" in str(refusal.value)


@raw_tracepoint("sys_enter")
def reads_a_number_by_helper() -> int:
    numbers[0] = cast(Ptr[task_struct], current_task()).sched_reset_on_fork
    return 1


@pytest.mark.parametrize("like", ["sched_reset_on_fork", "pid", "start_time"])
@pytest.mark.parametrize("bits", [0, 7])
def test_a_helper_reads_a_number_that_is_a_bit_field_here(bits: int, like: str) -> None:
    """Whatever it is in the target: of 32 bits, of these with a sign, of 64, or 7 bits of those."""
    name = "sched_reset_on_fork"
    changed = target({"task_struct": all_of(retype(name, like), as_bits(name, bits))})
    before = os.sched_getscheduler(0)
    found = []
    for policy in (before | _RESET_ON_FORK, before):
        os.sched_setscheduler(0, policy, os.sched_param(0))
        found.append(values(reads_a_number_by_helper, changed)[0])
    assert found == [1, 0]


@raw_tracepoint("sys_enter")
def reads_a_limit() -> int:
    signal = current_task().signal
    numbers[0] = signal.rlim[7].rlim_cur
    numbers[1] = signal.rlim[7].rlim_max
    return 1


def test_elements_of_an_array_whose_records_differ() -> None:
    """The fields of the target's elements are in another order."""
    swapped = all_of(move("rlim_cur", 8), move("rlim_max", 0))
    changed = target({"rlimit": swapped}, "signal_struct")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits = before[0] - 1, before[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert values(reads_a_limit, changed)[:2] == list(limits)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@raw_tracepoint("sys_enter")
def counts_maps() -> int:
    numbers[0] = bpf_map_type.BPF_MAP_TYPE_HASH
    if has_enumerator(bpf_map_type, "BPF_MAP_TYPE_RINGBUF"):
        numbers[1] = bpf_map_type.BPF_MAP_TYPE_RINGBUF
    return 1


@raw_tracepoint("sys_enter")
def counts_maps_of_tomorrow() -> int:
    numbers[0] = bpf_map_type.BPF_MAP_TYPE_OF_TOMORROW
    return 1


def with_other_numbers() -> Target:
    """Return a kernel whose maps have other numbers, and one kind that no kernel has."""
    here = host_target()
    made = Builder()
    names = {"BPF_MAP_TYPE_HASH": 77, "BPF_MAP_TYPE_RINGBUF": 78, "BPF_MAP_TYPE_OF_TOMORROW": 79}
    made.add_enum("bpf_map_type", names)
    return here.replace(btf=made.build())


def test_enumerators_have_the_numbers_of_this_kernel() -> None:
    assert values(counts_maps, with_other_numbers())[:2] == [1, 27]  # enum bpf_map_type


def test_an_enumerator_that_this_kernel_lacks_is_refused_by_name() -> None:
    with pytest.raises(VerifierError, match="no value `BPF_MAP_TYPE_OF_TOMORROW`") as refusal:
        values(counts_maps_of_tomorrow, with_other_numbers())
    assert "numbers[0] = bpf_map_type.BPF_MAP_TYPE_OF_TOMORROW" in str(refusal.value)
