"""What is pinned outlives its session, and is what the next one means.

Each test has a BPF file system to itself, in a child process that takes it along when it ends.
"""

from __future__ import annotations

import mmap
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyebpf import (
    Array,
    ArrayOfMaps,
    Const,
    Events,
    Global,
    Hash,
    IterContext,
    LinearHist,
    Log2Hist,
    LruHash,
    PerfEventContext,
    PinnedProgram,
    Ptr,
    RawTracepointContext,
    SkBuffContext,
    TailCalls,
    iter,  # noqa: A004 - the kernel's word
    load,
    open_pinned,
    perf_event,
    raw_tracepoint,
    record,
    socket_filter,
    tgid,
    tracepoint,
    u32,
    u64,
    unpin,
)
from pyebpf.dsl.maps import MapDecl
from pyebpf.errors import AttachError, KernelError, NotSupportedError, PinError, PyebpfError
from pyebpf.kernel import task_struct
from pyebpf.runtime import syscall
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.links import Link
from pyebpf.runtime.loader import load_object
from pyebpf.runtime.map_fd import create_map
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.spec.objects import MapSpec
from tests.kernel.children import BPFFS, in_child, in_own_bpffs
from tests.kernel.running import cell, fire, loaded
from tests.objects import compiled

pytestmark = pytest.mark.kernel

APP = f"{BPFFS}/app"
#: Whose system calls count; a child's own number.
me = Const(0)


@record
class Thread:
    tid: u32


@record
class Seen:
    calls: u32
    size: u64


counts = Hash[u32, u64](max_entries=64, pin=f"{APP}/counts")
sizes = Log2Hist("bytes", pin=f"{APP}/sizes")
seen = Array[Seen](max_entries=4, pin=f"{APP}/deeper/seen")
sent = Events[u64](pages=1, pin=f"{APP}/sent")
own = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def count(ctx: RawTracepointContext) -> None:
    counts[7] += 1
    sizes.add(ctx.args[0])
    seen[1].calls += 1
    sent.emit(ctx.args[0])
    own[0] += 1


def shown() -> list[str]:
    """Return what is pinned below the folder of these tests."""
    return sorted(str(p.relative_to(APP)) for p in Path(APP).rglob("*") if not p.is_dir())


def fired(*args: int) -> dict[str, Any]:
    """Load and run the probe once for each argument, as pinned; return what its maps hold."""
    with load(count, attach=False) as session:
        for arg in args:
            session.test_run(count, arg)
        return {
            "counts": dict(session[counts].items()),
            "sizes": int(session[sizes].counts.sum()),
            "seen": session[seen][1]["calls"],
            "sent": [int(n) for n in session[sent].read()],
            "own": session[own][0],
        }


@in_own_bpffs
def test_maps_are_shared_by_sessions_one_after_the_other() -> None:
    assert fired(3, 4) == {"counts": {7: 2}, "sizes": 2, "seen": 2, "sent": [3, 4], "own": 2}
    assert shown() == ["counts", "deeper/seen", "sent", "sizes"]
    # What is not pinned begins anew; what was taken out of the ring buffer is gone.
    assert fired(5) == {"counts": {7: 3}, "sizes": 3, "seen": 3, "sent": [5], "own": 1}
    unpin(f"{APP}/counts")
    assert fired() == {"counts": {}, "sizes": 3, "seen": 3, "sent": [], "own": 0}


@in_own_bpffs
def test_a_path_is_no_part_of_what_is_cached() -> None:
    text = """
from pyebpf import Array, raw_tracepoint, u64
counts = Array[u64](max_entries=1, pin={path!r})

@raw_tracepoint("sys_enter")
def probe() -> None:
    counts[0] += 1
"""
    for number in range(2):
        again = cell(text.format(path=f"{APP}/first"))
        with load(again.probe, attach=False) as session:
            session.test_run(again.probe)
            assert session[again.counts][0] == number + 1
    module = cell(text.format(path=f"{APP}/first"))
    module.counts.pin = f"{APP}/second"
    with load(module.probe, attach=False) as session:
        assert session[module.counts][0] == 0
    assert shown() == ["first", "second"]


@in_own_bpffs
def test_two_sessions_at_once_have_one_map() -> None:
    with load(count, attach=False) as first, load(count, attach=False) as second:
        first.test_run(count, 1)
        second.test_run(count, 1)
        assert first[counts][7] == second[counts][7] == 2
        first[counts][8] = 5
        assert second[counts][8] == 5


@in_own_bpffs
def test_one_side_of_a_map_that_is_shared() -> None:
    reader = Hash[u32, u64](max_entries=64, rdonly=True)
    watcher = Array[Seen](max_entries=4, rdonly=True)
    fired(3)
    for _ in range(2):
        with open_pinned(counts.pin, reader) as only_read, open_pinned(counts) as both:
            assert only_read[7] == 1
            with pytest.raises(KernelError, match="rdonly=True, user space can only read it"):
                only_read[7] = 5
            both[7] = 1
    with open_pinned(seen.pin, watcher) as only_read:
        assert only_read[1]["calls"] == 1


@in_own_bpffs
def test_maps_are_opened_without_a_session() -> None:
    fired(3, 4)
    with open_pinned(counts) as by_declaration, open_pinned(f"{APP}/counts") as by_kernel:
        assert dict(by_declaration.items()) == dict(by_kernel.items()) == {7: 2}
        by_declaration[9] = 1
        assert by_kernel[9] == 1
    with open_pinned(f"{APP}/sizes", sizes) as histogram:
        assert histogram.counts.sum() == 2
        assert "bytes" in str(histogram)
    with open_pinned(f"{APP}/deeper/seen") as records:
        assert records[1]["calls"] == 2
    with open_pinned(sent) as stream:
        assert [int(n) for n in stream.read()] == []


DIFFERENT: dict[str, tuple[MapDecl, str]] = {
    "kind": (LruHash[u32, u64](max_entries=64), "kind: hash there, lru_hash here"),
    "key": (Hash[u64, u64](max_entries=64), "key: 4 bytes there, 8 bytes here"),
    "value": (Hash[u32, u32](max_entries=64), "value: 8 bytes there, 4 bytes here"),
    "entries": (Hash[u32, u64](max_entries=65), "max_entries: 64 there, 65 here"),
    "flags": (Hash[u32, u64](max_entries=64, no_prealloc=True), "flags: none there, no_prealloc"),
    "several": (LruHash[u32, u32](max_entries=64), "value: 8 bytes there, 4 bytes here"),
}


@in_own_bpffs
def test_another_map_is_refused_and_what_differs_is_said() -> None:
    fired(1)
    for decl, says in DIFFERENT.values():
        with pytest.raises(PinError, match=says) as refused:
            open_pinned(f"{APP}/counts", decl)
        assert f"remove it with unpin('{APP}/counts')" in str(refused.value)
        assert refused.value.path == f"{APP}/counts"
    with pytest.raises(PinError, match="kind: hash there, lru_hash here, value: 8 bytes there"):
        open_pinned(f"{APP}/counts", DIFFERENT["several"][0])


CHANGED = """
from pyebpf import Array, raw_tracepoint, record, u32, u64, u16

@record
class Seen:
    calls: u32
    {second}

seen = Array[Seen](max_entries=4, pin={path!r})

@raw_tracepoint("sys_enter")
def probe() -> None:
    seen[0].calls += 1
"""


@in_own_bpffs
def test_a_record_of_another_shape_is_refused_by_a_session() -> None:
    def probe(second: str) -> Any:
        return cell(CHANGED.format(second=second, path=f"{APP}/seen")).probe

    load(probe("size: u64"), attach=False).close()
    load(probe("size: u64"), attach=False).close()
    with open_pinned(f"{APP}/seen") as kept:
        kept[0] = {"calls": 3, "size": 4}
    with pytest.raises(PinError, match="the value's field 'size': 8 bytes at 8 there, absent here"):
        load(probe("length: u64"), attach=False)
    with pytest.raises(PinError, match="field 'size': 8 bytes at 8 there, 4 bytes at 4 here"):
        load(probe("size: u32; rest: u64"), attach=False)
    with open_pinned(f"{APP}/seen") as kept:
        assert kept[0] == {"calls": 3, "size": 4}


@in_own_bpffs
def test_what_the_kernel_rounds_is_the_same_map() -> None:
    odd = LruHash[u32, u64](max_entries=1_001, no_common_lru=True)
    perf = MapSpec("perf", "perf_event_array", 4, 4, 0)
    ring = MapSpec("ring", "ringbuf", 0, 0, 5_000)
    devices = MapSpec("devices", "devmap", 4, 4, 3)
    for number, spec in enumerate((odd.spec("odd", 1), perf, ring, devices)):
        pinned = spec.replace(pinning=f"{APP}/{number}")
        with create_map(pinned) as first, create_map(pinned) as second:
            assert (first.reused, second.reused) == (False, True)
            assert syscall.map_info(first.fd).id == syscall.map_info(second.fd).id


@in_own_bpffs
def test_a_load_that_fails_leaves_no_name() -> None:
    text = """
from pyebpf import Array, raw_tracepoint, u64
counts = Array[u64](max_entries=1, pin={path!r})

@raw_tracepoint("no_such_tracepoint_anywhere")
def probe() -> None:
    counts[0] += 1
"""
    module = cell(text.format(path=f"{APP}/counts"))
    with pytest.raises(AttachError):
        load(module.probe)
    assert shown() == []
    with load(module.probe, attach=False):
        assert shown() == ["counts"]
    with pytest.raises(AttachError):
        load(module.probe)
    assert shown() == ["counts"]  # somebody else's


# Where things can be pinned


@in_own_bpffs
def test_what_is_wrong_with_a_path_is_said() -> None:
    with loaded(count) as session:
        for path, says in {
            "/tmp": "is in no BPF file system.*a path below /sys/fs/bpf",
            "/no/such/place": "is in no BPF file system",
            f"{BPFFS}/a.b": "no names with dots, such as 'a.b'",
            f"{BPFFS}/a.b/c": "no names with dots, such as 'a.b'",
            f"{APP}/counts": f"exists already: remove it with unpin.'{APP}/counts'",
            f"{APP}/counts/below": f"{APP}/counts is no directory",
        }.items():
            if path.startswith(APP) and not Path(APP).exists():
                session.pin(counts, f"{APP}/counts")
            with pytest.raises(PinError, match=says):
                session.pin(count, path if path.startswith(BPFFS) else f"{path}/x")
    for path, says in {"/etc/passwd": "is in no BPF file", f"{APP}/none": "nothing is"}.items():
        with pytest.raises(PinError, match=says):
            open_pinned(path)
    for path in ("/etc/passwd", f"{APP}/none", BPFFS):
        with pytest.raises(PinError):
            unpin(path)
    with pytest.raises(PinError, match="no links are pinned in it"):
        open_pinned(BPFFS)


@in_own_bpffs
def test_a_path_is_taken_as_it_is_or_not_at_all() -> None:
    os.chdir(BPFFS)
    with loaded(count) as session:
        session.pin(count, "here")
        open_pinned("here").close()
        unpin(f"{BPFFS}/here")
        for path in ("", f"{BPFFS}/before\0behind"):
            with pytest.raises(PinError, match="is no path"):
                session.pin(count, path)
        assert not Path(BPFFS, "before").exists()


@in_own_bpffs
def test_without_the_file_system_the_message_says_how_to_mount_it() -> None:
    import ctypes

    while not ctypes.CDLL(None).umount(BPFFS.encode()):
        pass
    with loaded(count) as session, pytest.raises(PinError, match="mount -t bpf bpf /sys/fs/bpf"):
        session.pin(counts, f"{APP}/counts")
    with pytest.raises(PinError, match="mount -t bpf bpf /sys/fs/bpf"):
        load(count, attach=False)


@in_own_bpffs
def test_a_pin_of_somebody_else_is_refused() -> None:
    fired(1)
    Path(APP).chmod(0o755)
    Path(APP, "counts").chmod(0o600)

    def other() -> None:
        os.setresuid(65534, 65534, 65534)
        with pytest.raises(KernelError) as refused:
            open_pinned(counts)
        assert "EACCES" in str(refused.value) or refused.value.capability == "CAP_BPF"

    in_child(other)


def test_declarations_refuse_what_is_no_path() -> None:
    for path in ("counts", "/sys/fs/bpf/"):
        with pytest.raises(PyebpfError, match="no absolute path of a file"):
            Hash[u32, u64](pin=path)
        with pytest.raises(PyebpfError, match="no absolute path of a file"):
            LinearHist(pin=path)
    assert Hash[u32, u64](pin=Path("/sys/fs/bpf/x")).pin == "/sys/fs/bpf/x"
    inner = Array[u64](max_entries=1)
    with pytest.raises(PyebpfError, match="each of its maps needs a pin"):
        ArrayOfMaps(inner, (inner,), pin="/sys/fs/bpf/outer")
    with pytest.raises(PyebpfError, match="says what the maps are like"):
        ArrayOfMaps(Array[u64](max_entries=1, pin="/sys/fs/bpf/inner"), max_entries=3)
    with pytest.raises(PyebpfError, match="has no pin"):
        open_pinned(inner)


total = Global[u64](0)


@raw_tracepoint("sys_enter")
def add_to_global() -> None:
    total.value += 1


@in_own_bpffs
def test_global_variables_stay_with_their_session() -> None:
    with loaded(add_to_global) as session, pytest.raises(PyebpfError, match="Array"):
        session.pin(total, f"{APP}/total")
    with loaded(count) as session:
        session.pin(counts, f"{APP}/total")
    with pytest.raises(PyebpfError, match="Array"):
        open_pinned(f"{APP}/total", total)


# Maps of maps and of programs

monday = Hash[u32, u64](max_entries=8, pin=f"{APP}/monday")
tuesday = Hash[u32, u64](max_entries=8, pin=f"{APP}/tuesday")
by_day = ArrayOfMaps(monday, (monday, tuesday), max_entries=4, pin=f"{APP}/by_day")


@raw_tracepoint("sys_enter")
def on_a_day(ctx: RawTracepointContext) -> None:
    day = by_day.get(ctx.args[0] & 3)
    if day is not None:
        day[1] += 1


@in_own_bpffs
def test_a_map_of_maps_and_its_maps() -> None:
    for turn in (1, 2):
        with load(on_a_day, attach=False) as session:
            fire(session, on_a_day, 1)
            fire(session, on_a_day, 2)
            assert dict(session[tuesday].items()) == {1: turn}
            assert dict(session[monday].items()) == {}
            if turn == 1:
                session[by_day].make(2).close()
            else:
                assert session[by_day].get(2)[1] == 1
    with open_pinned(by_day) as table, table[1] as inside, open_pinned(tuesday) as same:
        assert dict(inside.items()) == dict(same.items()) == {1: 2}


took = Array[u64](max_entries=4, pin=f"{APP}/took")


@raw_tracepoint("sys_enter")
def first_step(ctx: RawTracepointContext) -> None:
    took[1] += 1


@raw_tracepoint("sys_enter")
def second_step(ctx: RawTracepointContext) -> None:
    took[2] += 1


steps = TailCalls(first_step, None, pin=f"{APP}/steps")


@raw_tracepoint("sys_enter")
def go_on(ctx: RawTracepointContext) -> None:
    steps.call(0)
    took[0] += 1


@in_own_bpffs
def test_a_table_of_programs() -> None:
    with load(go_on, second_step, attach=False) as session:
        session.test_run(go_on, 0)
        session.pin(go_on, f"{APP}/go_on")
        session.pin(second_step, f"{APP}/second_step")
    with open_pinned(took) as took_now, open_pinned(steps) as table:
        assert took_now.snapshot()[1].tolist() == [0, 1, 0, 0]
        assert 0 in table
        # The table still has the programs of the session that is gone; another one is put in.
        with open_pinned(f"{APP}/second_step") as other:
            table[0] = other
        with open_pinned(f"{APP}/go_on") as program:
            assert isinstance(program, PinnedProgram)
            syscall.prog_test_run(program.fd, ctx=bytes(8))
        assert took_now.snapshot()[1].tolist() == [0, 1, 1, 0]
        with load(go_on, attach=False) as session:  # what is declared is put in again
            session.test_run(go_on, 0)
            assert took_now.snapshot()[1].tolist() == [0, 2, 1, 0]
            with open_pinned(f"{APP}/second_step") as other:
                session[steps][0] = other
            session.test_run(go_on, 0)
            assert took_now.snapshot()[1].tolist() == [0, 2, 2, 0]


# Links

calls = Array[u64](max_entries=4, pin=f"{APP}/calls")


@raw_tracepoint("sys_enter")
def call_of_ours() -> None:
    if tgid() == me:
        calls[0] += 1


@tracepoint("syscalls:sys_enter_getppid")
def getppid_of_ours() -> None:
    if tgid() == me:
        calls[1] += 1


@perf_event("page-faults", period=1)
def fault_of_ours(ctx: PerfEventContext) -> None:
    if tgid() == me:
        calls[2] += 1


def number(index: int) -> int:
    with open_pinned(calls) as opened:
        return int(opened[index])


def grows(index: int) -> bool:
    """Tell whether a probe still runs for what this process does."""
    before = number(index)
    for _ in range(50):
        os.getppid()
        with mmap.mmap(-1, mmap.PAGESIZE) as page:
            page[0] = 1  # a fault
    return number(index) > before


def ends(index: int) -> bool:
    """Tell whether a probe stops running: the kernel takes a link apart a moment later."""
    return any(not grows(index) for _ in range(1_000))


def pin_and_die(probe: Any, pid: int) -> None:
    session = load(probe, options={me: pid})
    (link,) = session.attached(probe)
    link.pin(f"{APP}/link")
    os._exit(0)  # without closing anything, as a process that is killed


@in_own_bpffs
def test_a_pinned_link_keeps_a_probe_attached_without_its_process() -> None:
    in_child(pin_and_die, call_of_ours, os.getpid())
    assert grows(0)
    with open_pinned(f"{APP}/link") as link:
        assert isinstance(link, Link)
        info = link.info()
        assert info is not None
        assert info.prog_id
    assert grows(0)  # closing what was opened again is not the end of it
    unpin(f"{APP}/link")
    assert ends(0)


@in_own_bpffs
def test_a_session_that_closes_leaves_a_pinned_link() -> None:
    with load(call_of_ours, options={me: os.getpid()}) as session:
        session.pin(session.attached(call_of_ours)[0], f"{APP}/link")
    assert grows(0)
    with open_pinned(f"{APP}/link") as link:
        unpin(f"{APP}/link")
        assert isinstance(link, Link)
        assert grows(0)  # it is held here
    assert ends(0)


def test_a_tracepoint_has_a_link_where_perf_events_have(requires: Callable[[str], None]) -> None:
    requires("perf_link")
    in_own_bpffs(_pin_tracepoint)()


def _pin_tracepoint() -> None:
    in_child(pin_and_die, getppid_of_ours, os.getpid())
    assert grows(1)
    with open_pinned(f"{APP}/link") as link:
        assert isinstance(link, Link)
    unpin(f"{APP}/link")
    assert ends(1)


def test_an_event_on_all_cpus_is_a_directory_of_links(requires: Callable[[str], None]) -> None:
    requires("perf_link")
    in_own_bpffs(_pin_event)()


def _pin_event() -> None:
    with load(fault_of_ours, options={me: os.getpid()}) as session:
        (links,) = session.attached(fault_of_ours)
        links.pin(f"{APP}/faults")
        with pytest.raises(PinError, match="exists already"):
            links.pin(f"{APP}/faults")
    assert grows(2)
    assert {name.name for name in Path(APP, "faults").iterdir()} >= {"0"}
    with open_pinned(f"{APP}/faults") as again:
        unpin(f"{APP}/faults")
        assert isinstance(again, Link)
        assert grows(2)
    assert ends(2)


@in_own_bpffs
def test_without_links_to_perf_events_the_feature_is_named() -> None:
    if KernelFeatures(keep=False).has("perf_link"):
        link = Link(os.dup(0), "sched:sched_switch", is_bpf_link=False)
        with link, pytest.raises(NotSupportedError, match=r"5\.15") as refused:
            link.pin(f"{APP}/link")
    else:
        with (
            load(getppid_of_ours, options={me: 1}) as session,
            pytest.raises(NotSupportedError, match=r"5\.15") as refused,
        ):
            session.attached(getppid_of_ours)[0].pin(f"{APP}/link")
    assert refused.value.feature == "perf_link"


@iter("task")
def threads(ctx: IterContext, task: Ptr[task_struct] | None) -> None:
    if task is not None and task.tgid == me:
        ctx.emit(Thread(tid=task.pid))


@in_own_bpffs
def test_a_pinned_iterator_is_a_file_to_read() -> None:
    with load(threads, options={me: os.getpid()}) as session:
        session.pin(session.attached(threads)[0], f"{APP}/threads")
    tid = os.getpid().to_bytes(4, "little")
    assert Path(APP, "threads").read_bytes()[:4] == tid
    with open_pinned(f"{APP}/threads") as link:
        assert isinstance(link, Link)
        assert link.read()[:4] == tid


@socket_filter
def take_all(ctx: SkBuffContext) -> int:
    return ctx.len


@in_own_bpffs
def test_what_has_no_link_says_why() -> None:
    with (
        load(take_all, attach=False) as session,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as given,
    ):
        link = session.attach(take_all, socket=given)
        with pytest.raises(NotSupportedError, match="is there as long as the socket") as refused:
            link.pin(f"{APP}/link")
        assert refused.value.feature == ""


# Objects of other compilers


@in_own_bpffs
def test_an_object_of_clang_is_pinned_by_its_name() -> None:
    obj = parse_object(compiled("pinned"), name="pinned")
    assert obj.maps[0].pinning == f"{BPFFS}/shared"
    features = KernelFeatures(keep=False)

    def run(**options: Any) -> None:
        resolver = CoreResolver(obj.btf, _no_btf)
        with load_object(obj, features=features, resolver=resolver, **options) as opened:
            assert syscall.prog_test_run(opened.programs["work"].fd).retval == 0

    run()
    run()
    run(pins={"shared": f"{APP}/elsewhere"})
    with open_pinned(f"{BPFFS}/shared") as shared, open_pinned(f"{APP}/elsewhere") as other:
        assert (shared[0]["calls"], other[0]["calls"]) == (2, 1)
    with pytest.raises(KeyError, match="no map wrong"):
        run(pins={"wrong": f"{APP}/wrong"})
    with pytest.raises(PinError, match="the value's field 'spare': 4 bytes at 4 there, absent"):
        open_pinned(f"{BPFFS}/shared", Array[Wrong](max_entries=1, mmapable=False))


@record
class Wrong:
    calls: u32
    other: u32


def _no_btf() -> Any:
    raise NotSupportedError("not needed")
