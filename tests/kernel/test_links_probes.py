"""Probes of instructions: by address, in modules, of system calls, in other mount namespaces."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyebpf import (
    Hash,
    KprobeContext,
    UprobeContext,
    UserPtr,
    i32,
    i64,
    kprobe,
    kretsyscall,
    ksyscall,
    load,
    read_user_str,
    tgid,
    u8,
    u64,
    uprobe,
)
from pyebpf.errors import AttachError, PyebpfError
from pyebpf.runtime import kallsyms
from pyebpf.runtime.binaries import file_offset, offset_of_address
from pyebpf.runtime.mappings import mapped_files
from pyebpf.runtime.processes import find_in_process

pytestmark = pytest.mark.kernel

ME = os.getpid()
counts = Hash[u64, u64](max_entries=64)
CALLS = 7

LIBRARY = "int far_away(int n) { return n + 1; }\n"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler: a library to probe cannot be made")
    folder = tmp_path_factory.mktemp("library")
    source, made = folder / "faraway.c", folder / "libfaraway.so"
    source.write_text(LIBRARY)
    subprocess.run([compiler, "-O0", "-shared", "-fPIC", "-o", made, source], check=True)
    return made


#: A process with a file system that we do not see. It calls the function when it reads a line.
ELSEWHERE = """
import ctypes, os, shutil, sys
library, place, gone = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
with open(library, "rb") as file:
    data = file.read()
assert libc.mount(b"none", place.encode(), b"tmpfs", 0, None) == 0
os.mkdir(place + "/real")
with open(place + "/real/libhidden.so", "wb") as file:
    file.write(data)
os.symlink(place + "/real", place + "/link")  # absolute: from our root
far = ctypes.CDLL(place + "/real/libhidden.so").far_away
if gone == "gone":
    os.unlink(place + "/real/libhidden.so")
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        far(0)
    print("done", flush=True)
"""


@contextmanager
def elsewhere(library: Path, place: Path, gone: str = "") -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", ELSEWHERE,
         str(library), str(place), gone],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.stdin.close()
        child.wait()
        child.stdout.close()


def call(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdin is not None
    print(CALLS, file=child.stdin, flush=True)
    assert child.stdout.readline() == "done\n"


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["hidden", "libhidden.so", "{0}/real/libhidden.so"])
@pytest.mark.parametrize("gone", ["", "gone"])
def test_a_library_is_found_where_its_process_sees_it(
    library: Path, tmp_path: Path, name: str, gone: str
) -> None:
    with elsewhere(library, tmp_path, gone) as child:
        assert not (tmp_path / "real").exists()

        @uprobe(name.format(tmp_path), "far_away", pid=child.pid)
        def enters(ctx: UprobeContext) -> None:
            counts[1] += 1

        with load(enters) as session:
            call(child)
            assert session[counts][1] == CALLS
        call(child)


def test_a_file_that_is_not_mapped_is_found_through_its_links(
    library: Path, tmp_path: Path
) -> None:
    with elsewhere(library, tmp_path) as child:
        found = find_in_process(f"{tmp_path}/link/../link/libhidden.so", child.pid)
        assert found == f"/proc/{child.pid}/root{tmp_path}/real/libhidden.so"
        with pytest.raises(AttachError, match=r"no file .nosuchlib. and has mapped .*hidden"):
            find_in_process("nosuchlib", child.pid)
    with pytest.raises(AttachError, match=f"there is no process {child.pid}"):
        find_in_process("hidden", child.pid)


def test_our_own_files_keep_their_names(library: Path) -> None:
    ctypes.CDLL(str(library))
    assert find_in_process("faraway", ME) == str(library)
    assert find_in_process(str(library), ME) == str(library)
    assert find_in_process("c", ME) in {row.path for row in mapped_files()}


def test_an_address_and_an_offset_are_the_same_place(library: Path) -> None:
    offset = file_offset(str(library), "far_away")
    far = ctypes.CDLL(str(library)).far_away
    address = address_of(library)
    assert offset_of_address(str(library), address) == offset

    @uprobe(library, address=address, pid=ME)
    def by_address(ctx: UprobeContext) -> None:
        counts[1] += 1

    @uprobe(library, offset=offset, pid=ME)
    def by_offset(ctx: UprobeContext) -> None:
        counts[2] += 1

    with load(by_address, by_offset) as session:
        for _ in range(CALLS):
            far(0)
        assert (session[counts][1], session[counts][2]) == (CALLS, CALLS)
    with pytest.raises(PyebpfError, match="takes an address, or a symbol and an offset"):
        uprobe(library, "far_away", address=address)


def address_of(library: Path) -> int:
    """Return where the linker put the function, as another program reads it."""
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("no nm, which says where a function is")
    lines = subprocess.run([nm, library], capture_output=True, text=True, check=True).stdout
    return next(int(row.split()[0], 16) for row in lines.splitlines() if row.endswith(" far_away"))


@ksyscall("openat")
def opens(ctx: KprobeContext, folder: i32, path: UserPtr[u8], flags: i32) -> None:
    if tgid() == ME and read_user_str(path, 32) == "/dev/null":
        counts[3] += 1
        counts[4] += flags & 0o3
        if folder == -100:  # AT_FDCWD
            counts[5] += 1


@kretsyscall("openat")
def opened(ctx: KprobeContext, ret: i64) -> None:
    if tgid() == ME and ret >= 0:
        counts[6] += 1


@pytest.mark.exact
def test_system_calls_have_the_arguments_of_the_process(configured: Callable[[str], None]) -> None:
    configured("kprobe_attach")
    with load(opens, opened) as session:
        for _ in range(CALLS):
            os.close(os.open("/dev/null", os.O_RDWR))
        found = [session[counts].get(n) for n in (3, 4, 5, 6)]
        assert found[:3] == [CALLS, 2 * CALLS, CALLS]
        assert found[3] is not None
        assert found[3] >= CALLS


def test_a_system_call_that_is_not_there_is_named_with_the_nearest(
    configured: Callable[[str], None],
) -> None:
    configured("kprobe_attach")

    @ksyscall("opennat")
    def probe(ctx: KprobeContext) -> None:
        counts[1] += 1

    with pytest.raises(AttachError, match=r"no kprobe at 'opennat'; the nearest: .*sys_openat"):
        load(probe)


@pytest.mark.exact
def test_a_kprobe_at_an_address(configured: Callable[[str], None]) -> None:
    configured("kprobe_attach")

    @kprobe(kallsyms.address("do_nanosleep"))
    def sleeps(ctx: KprobeContext) -> None:
        if tgid() == ME:
            counts[7] += 1

    @kprobe(1 << 63)
    def nowhere(ctx: KprobeContext) -> None:
        counts[7] += 1

    with load(sleeps) as session:
        for _ in range(CALLS):
            ctypes.CDLL(None).usleep(1)
        assert session[counts][7] == CALLS
    with pytest.raises(AttachError, match="no instruction of a function that may be probed"):
        load(nowhere)


@pytest.mark.exact
def test_a_function_of_a_module(tmp_path: Path, configured: Callable[[str], None]) -> None:
    configured("kprobe_attach")
    listed = Path("/proc/kallsyms").read_text()
    if " ovl_open\t[overlay]" not in listed:
        pytest.skip("no module `overlay` with a function to probe")
    file = Path(__file__)
    if not _is_overlay(file):
        pytest.skip("no file of ours is on an overlay")

    @kprobe("overlay:ovl_open")
    def opens_there(ctx: KprobeContext) -> None:
        if tgid() == ME:
            counts[8] += 1

    @kprobe("nosuchmodule:ovl_open")
    def missing(ctx: KprobeContext) -> None:
        counts[8] += 1

    with load(opens_there) as session:
        for _ in range(CALLS):
            os.close(os.open(file, os.O_RDONLY))
        assert session[counts][8] == CALLS
    with pytest.raises(AttachError, match="this kernel has no module nosuchmodule"):
        load(missing)


def _is_overlay(file: Path) -> bool:
    """Tell whether a file is on an overlay: the mount whose place is the longest says."""
    best = ("", "")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind = line.split()[:3]
        if str(file).startswith(place) and len(place) >= len(best[0]):
            best = (place, kind)
    return best[1] == "overlay"
