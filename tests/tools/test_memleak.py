"""memleak on a child that keeps 23 blocks of 4321 bytes, and on messages that the kernel keeps."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyebpf import load
from pyebpf.lib.filters import only_comm
from pyebpf.runtime.map_fd import create_map
from pyebpf.spec.objects import MapSpec
from pyebpf.tools import memleak
from tests.programs import run, running, until
from tests.tools.children import COMM, Child, waiting
from tests.vm import native

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.memleak")
SIZE, KEPT, LARGE = 4321, 23, 1_000_003
ONLY = ("-z", str(SIZE), "-Z", str(SIZE), "-o", "0")
#: Those that return a place.
FUNCTIONS = ("malloc", "realloc", "mmap")
PROT, FLAGS = 3, 0x22  # PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS


def libc() -> Any:
    """Return the C library, whose pointers are numbers."""
    lib = ctypes.CDLL(None)
    for name in FUNCTIONS:
        getattr(lib, name).restype = ctypes.c_size_t
    return lib


def place(number: int) -> ctypes.c_size_t:
    return ctypes.c_size_t(number)


def stop() -> None:
    """Wait with all memory in place, for somebody to look at it."""
    os.kill(os.getpid(), signal.SIGSTOP)


def leaks() -> None:
    """Keep 23 blocks, and have 7 others for a while."""
    lib = libc()
    for _ in range(KEPT):
        lib.malloc(SIZE)
    for _ in range(7):
        lib.free(place(lib.malloc(SIZE)))
    stop()


def by_each_function() -> None:
    """Keep a block by each function of the allocator, and another number by some."""
    lib = libc()
    lib.calloc(1, SIZE)
    for old in (lib.malloc(10), lib.malloc(SIZE), 0):
        lib.realloc(place(old), SIZE)
    assert not lib.realloc(place(lib.malloc(SIZE)), place(1 << 62))  # the old one stays
    lib.realloc(place(lib.malloc(SIZE)), 99)
    lib.posix_memalign(ctypes.byref(place(0)), place(64), SIZE)
    lib.memalign(64, SIZE)
    lib.aligned_alloc(64, SIZE)
    lib.valloc(SIZE)
    lib.pvalloc(SIZE)
    for _ in range(2):
        at = lib.mmap(place(0), SIZE, PROT, FLAGS, -1, place(0))
    lib.munmap(place(at), SIZE)
    lib.free(place(lib.malloc(LARGE)))  # by mmap() and munmap(), inside
    lib.malloc(LARGE)
    stop()


def stopped(child: Child) -> None:
    """Let a child work until it stops."""
    child.begin()
    assert os.WIFSTOPPED(os.waitpid(child.pid, os.WUNTRACED)[1])


@contextmanager
def traced(child: Child, options: dict[Any, Any]) -> Iterator[Any]:
    options = {memleak.only_pid: child.pid, memleak.older_ms: 0, memleak.room: 10_000, **options}
    with load(*memleak.tool.probes_for(options), options=options) as session:
        stopped(child)
        yield session
        assert not session.lost()


@pytest.mark.parametrize("combined", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_what_is_kept_is_counted_to_the_byte(combined: bool) -> None:
    size = {memleak.min_size: SIZE, memleak.max_size: SIZE, memleak.combined_only: combined}
    with waiting(leaks) as child, traced(child, size) as session:
        pid, (row,) = child.pid, memleak.report(session)
    assert (row["pid"], row["bytes"], row["allocations"]) == (pid, KEPT * SIZE, KEPT)
    assert "ffi" in row["stack"][0]


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "count"), [(COMM, KEPT), ("nobody", 0)])
def test_by_whom_it_is_allocated(name: str, count: int) -> None:
    options = {memleak.min_size: SIZE, memleak.max_size: SIZE, only_comm: name}
    with waiting(leaks) as child, traced(child, options) as session:
        assert sum(row["allocations"] for row in memleak.report(session)) == count


@pytest.mark.thorough
def test_every_function_is_one_allocation() -> None:
    with waiting(by_each_function) as child, traced(child, {memleak.min_size: SIZE}) as session:
        rows = memleak.report(session)
    assert not any("places" in row for row in rows), "only if they are asked for"
    rows = [row for row in rows if "ffi" in row["stack"][0]]
    # By calloc, posix_memalign, memalign, aligned_alloc, valloc, pvalloc and mmap one each, by
    # realloc three, and the one that it could not enlarge.
    assert sum(row["allocations"] for row in rows) == 7 + 3 + 1 + 1
    assert sum(row["bytes"] for row in rows) == (7 + 3 + 1) * SIZE + LARGE


@pytest.mark.thorough
def test_text_has_places_and_a_trace() -> None:
    with (
        waiting(leaks) as child,
        running(*TOOL, "-p", str(child.pid), "-a", "-t", *ONLY, "600") as program,
    ):
        begin = program.wait_for("Ctrl+C to quit.")
        stopped(child)
        done = program.interrupt()
        pid = child.pid
    assert (done.code, done.err, begin) == (0, "", f"Attaching to pid {pid}, Ctrl+C to quit.\n")
    lines = done.out.splitlines()
    assert sum(f" {pid} alloc {SIZE} bytes at 0x" in line for line in lines) == KEPT + 7
    assert sum(f" {pid} free {SIZE} bytes at 0x" in line for line in lines) == 7
    assert sum(line.endswith(f" size = {SIZE}") for line in lines) == KEPT
    assert f"\t{KEPT * SIZE} bytes in {KEPT} allocations from stack" in lines


@pytest.mark.thorough
def test_a_sample_is_every_fifth() -> None:
    def work() -> None:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # each CPU counts for itself
        leaks()

    size = {memleak.min_size: SIZE, memleak.max_size: SIZE, memleak.sample_rate: 5}
    with waiting(work) as child, traced(child, size) as session:
        (row,) = memleak.report(session)
    # The 7 that are freed come last: what of them is in the sample is gone.
    assert row["allocations"] == KEPT // 5


@pytest.mark.thorough
def test_json_of_a_command_and_wrong_words() -> None:
    code = f"import ctypes; l = ctypes.CDLL(None); [l.malloc({SIZE}) for _ in range({KEPT})]"
    done = run(*TOOL, "-j", "-t", *ONLY, "-c", f"/usr/bin/env python3 -c '{code}'")
    assert (done.code, done.err) == (0, "")
    objects = [json.loads(line) for line in done.out.splitlines()]
    traced = [each["printed"].split()[2] for each in objects if "printed" in each]
    kept = traced.count("alloc") - traced.count("free")
    assert kept == sum(each.get("allocations", 0) for each in objects)
    assert kept * SIZE == sum(each.get("bytes", 0) for each in objects) >= KEPT * SIZE
    for words, said in (
        (("--sort", "name"), "--sort: 'name': it can be size or count"),
        (("-c", ""), "-c: the command is missing"),
        (("-s", "0"), "-s: '0' is no count: 1 at least"),
    ):
        done = run(*TOOL, *words)
        assert (done.code, done.out) == (2, "")
        assert said in done.err


#: An allocator with few functions, which call each other.
SOURCE = """
static char room[1 << 16], *next = room;
__attribute__((noinline)) void *my_malloc(unsigned long size) { next += size; return next - size; }
__attribute__((noinline)) void my_free(void *place) { __asm__(""); }
void *my_realloc(void *old, unsigned long size) { my_free(old); return my_malloc(size); }
"""


@pytest.mark.thorough
def test_an_allocator_of_its_own(tmp_path: Path) -> None:
    """Its functions have a prefix; those that it lacks are done without."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    library, source = tmp_path / "liballocator.so", tmp_path / "allocator.c"
    source.write_text(SOURCE, encoding="ascii")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
    lib = ctypes.CDLL(str(library))
    for name in ("my_malloc", "my_realloc"):
        getattr(lib, name).restype = ctypes.c_size_t
    options = {memleak.binary: str(library), memleak.prefix: "my_", memleak.older_ms: 0}
    options |= {memleak.room: 10_000}
    with (
        waiting(lambda: lib.my_malloc(SIZE % 100)) as child,  # what it keeps goes with it
        load(*memleak.tool.probes_for(options), options=options) as session,
    ):
        child.go()
        for number in range(KEPT):
            at = lib.my_malloc(SIZE % 100)
            if number < 7:
                lib.my_realloc(place(at), 100)
            elif number < 10:
                lib.my_free(place(at))
        session.detach()
        assert len(session[memleak.allocations]) == KEPT - 3 + 1
        rows = memleak.report(session)
        assert len(session[memleak.allocations]) == KEPT - 3
    assert {row["pid"] for row in rows} == {os.getpid()}
    assert sum(row["allocations"] for row in rows) == KEPT - 3
    assert sum(row["bytes"] for row in rows) == 7 * 100 + (KEPT - 10) * (SIZE % 100)


def test_the_kernel_keeps_messages() -> None:
    if not native.is_alone():
        pytest.skip("looks at all of the kernel's memory: run on a machine for tests")
    lib = ctypes.CDLL(None, use_errno=True)
    options = {memleak.older_ms: 0, memleak.room: 50_000, memleak.min_size: 1_000}
    options |= {memleak.max_size: 2_048, memleak.top: 1_000}
    queue = lib.msgget(0, 0o600)
    try:
        with load(*memleak.tool.probes_for(options), options=options) as session:
            message = ctypes.create_string_buffer(8 + 1_500)
            message[0] = 1
            for _ in range(10):  # one queue holds 16384 bytes
                assert lib.msgsnd(queue, message, 1_500, 0) == 0
            session.detach()
            rows = memleak.report(session)
    finally:
        lib.msgctl(queue, 0, 0)
    (row,) = [row for row in rows if any("load_msg" in name for name in row["stack"])]
    assert (row["bytes"], row["allocations"]) == (10 * 2_048, 10)


def test_the_kernel_keeps_memory_of_each_cpu() -> None:
    if not native.is_alone():
        pytest.skip("looks at all of the kernel's memory: run on a machine for tests")
    options = {memleak.percpu: True, memleak.older_ms: 0, memleak.top: 1_000}
    options |= {memleak.min_size: 1_368, memleak.max_size: 1_368}  # no other is so large
    spec = MapSpec("mine", "percpu_array", 4, 1_368, max_entries=1)
    with ExitStack() as kept, load(*memleak.tool.probes_for(options), options=options) as session:
        made = [kept.enter_context(create_map(spec)) for _ in range(KEPT)]
        for each in made[:7]:
            each.close()
        until(lambda: len(session[memleak.allocations]) == KEPT - 7)  # freed when nobody can look
        session.detach()
        rows = memleak.report(session)
    assert sum(row["allocations"] for row in rows) == KEPT - 7
    assert sum(row["bytes"] for row in rows) == (KEPT - 7) * 1_368
    assert all(any("percpu" in name for name in row["stack"]) for row in rows)
