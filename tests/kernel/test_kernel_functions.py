"""Programs at functions of the kernel: attached, they count right, see arguments and decide.

Where a kernel refuses them (a policy, or one that was built without probes of functions) they are
skipped with what it said; the kernels of ``make test-vm`` have them all.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyebpf import (
    Array,
    Global,
    KprobeContext,
    Ptr,
    fentry,
    fexit,
    fmod_ret,
    i32,
    i64,
    kprobe,
    kretprobe,
    load,
    lsm,
    tgid,
    u64,
)
from pyebpf.kernel import file, path
from pyebpf.runtime.answers import Support
from pyebpf.runtime.features import KernelFeatures

pytestmark = pytest.mark.kernel

CALLS, SIZE = 20, 48
ME = os.getpid()
FEATURES = KernelFeatures(keep=False)

mine = Global[u64](0)
guarded = Global[u64](0)
counts = Array[u64](max_entries=4)


@kprobe("vfs_read")
def kprobe_begins(ctx: KprobeContext, opened: Ptr[file], buffer: u64, count: u64) -> None:
    if tgid() == mine.value:
        counts[0] += 1
        counts[1] += count


@kretprobe("vfs_read")
def kprobe_ends(ctx: KprobeContext, ret: i64) -> None:
    if tgid() == mine.value and ret > 0:
        counts[2] += ret


@fentry("vfs_read")
def fentry_begins(opened: Ptr[file], buffer: u64, count: u64) -> None:
    if tgid() == mine.value:
        counts[0] += 1
        counts[1] += count
        counts[3] = opened.f_inode.i_ino


@fexit("vfs_read")
def fexit_ends(ret: i64) -> None:
    if tgid() == mine.value and ret > 0:
        counts[2] += ret


@fmod_ret("security_inode_getattr")
def unseen(where: Ptr[path], ret: i32) -> i32:
    if tgid() == mine.value and where.dentry.d_inode.i_ino == guarded.value:
        return -13
    return ret


@lsm("file_open")
def closed(opened: Ptr[file], ret: i32) -> i32:
    if ret == 0 and tgid() == mine.value and opened.f_inode.i_ino == guarded.value:
        return -1
    return ret


def needs(feature: str) -> None:
    """Skip where the kernel does not have it, with what it said."""
    answer = FEATURES.support(feature)
    if answer.support is not Support.YES:
        pytest.skip(f"{feature}: {answer.reason}")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder in memory: layered file systems show other inode numbers than they have."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        yield Path(made)


@pytest.fixture
def short_file(folder: Path) -> Iterator[int]:
    (folder / "short").write_bytes(bytes(SIZE))
    fd = os.open(folder / "short", os.O_RDONLY)
    yield fd
    os.close(fd)


def read_it(fd: int) -> None:
    for _ in range(CALLS):
        os.lseek(fd, 0, os.SEEK_SET)
        assert len(os.read(fd, 100)) == SIZE


@pytest.mark.exact
def test_kprobes_count_every_call_and_see_its_arguments(short_file: int) -> None:
    needs("kprobe_attach")
    with load(kprobe_begins, kprobe_ends) as session:
        session[mine].value = ME
        read_it(short_file)
        session[mine].value = 0
        assert session[counts].values()[:3] == [CALLS, CALLS * 100, CALLS * SIZE]


@pytest.mark.exact
def test_fentry_and_fexit_count_every_call_and_see_its_arguments(short_file: int) -> None:
    needs("fentry_load")
    with load(fentry_begins, fexit_ends) as session:
        session[mine].value = ME
        read_it(short_file)
        session[mine].value = 0
        inode = os.fstat(short_file).st_ino
        assert session[counts].values() == [CALLS, CALLS * 100, CALLS * SIZE, inode]


def test_fmod_ret_gives_another_result(folder: Path) -> None:
    needs("prog:fmod_ret")
    hidden, other = folder / "hidden", folder / "other"
    for made in (hidden, other):
        made.touch()
    with load(unseen) as session:
        session[guarded].value = hidden.stat().st_ino
        session[mine].value = ME
        with pytest.raises(PermissionError):
            hidden.stat()
        other.stat()
        session[mine].value = 0
    hidden.stat()


def test_an_lsm_program_refuses(folder: Path) -> None:
    needs("prog:lsm")
    active = Path("/sys/kernel/security/lsm")
    if active.exists() and "bpf" not in active.read_text().split(","):
        pytest.skip("bpf is not among the active security modules (lsm= of the kernel)")
    locked, other = folder / "locked", folder / "other"
    for made in (locked, other):
        made.write_text("text")
    with load(closed) as session:
        session[guarded].value = locked.stat().st_ino
        session[mine].value = ME
        with pytest.raises(PermissionError):
            locked.read_text()
        assert other.read_text() == "text"
        session[mine].value = 0
    assert locked.read_text() == "text"
