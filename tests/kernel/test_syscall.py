"""The commands of bpf(2), against the running kernel."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pyebpf.abi import constants as c
from pyebpf.abi import insn as i
from pyebpf.btf.system import kernel_btf
from pyebpf.errors import KernelError, MapFullError, NotSupportedError
from pyebpf.runtime import syscall
from pyebpf.runtime.refusal import ENOTSUPP

pytestmark = pytest.mark.kernel

RETURN_7 = i.assemble(i.mov64_imm(i.R0, 7), i.exit_insn())


@contextmanager
def closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


def hash_map(entries: int = 8) -> int:
    return syscall.map_create(c.BPF_MAP_TYPE_HASH, 4, 8, entries, name="test_hash")


class Cell:
    """A key and a value that the kernel can be pointed at."""

    def __init__(self, key: int = 0, value: int = 0) -> None:
        self.k, self.v = ctypes.c_uint32(key), ctypes.c_uint64(value)
        self.key, self.value = ctypes.addressof(self.k), ctypes.addressof(self.v)


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    with suppress(NotSupportedError):
        kernel_btf()  # a process maps it once, and keeps it
    before = open_descriptors()
    yield
    assert open_descriptors() == before


def open_descriptors() -> dict[str, str]:
    """Return what is open, without the descriptor of the listing itself."""
    names = os.listdir("/proc/self/fd")  # noqa: PTH208
    links = {name: os.path.realpath(f"/proc/self/fd/{name}") for name in names}
    return {name: link for name, link in links.items() if not link.startswith("/proc")}


def test_elements_of_a_map() -> None:
    with closing(hash_map()) as fd:
        cell = Cell(5, 55)
        assert syscall.map_lookup(fd, cell.key, cell.value) is False
        assert syscall.map_next_key(fd, 0, cell.key) is False
        syscall.map_update(fd, cell.key, cell.value, c.BPF_NOEXIST)
        cell.v.value = 0
        assert syscall.map_lookup(fd, cell.key, cell.value) is True
        assert cell.v.value == 55
        found = Cell()
        assert syscall.map_next_key(fd, 0, found.key) is True
        assert found.k.value == 5
        assert syscall.map_next_key(fd, found.key, found.key) is False
        assert syscall.map_delete(fd, cell.key) is True
        assert syscall.map_delete(fd, cell.key) is False


def test_an_element_is_taken_out_of_a_map() -> None:
    with closing(hash_map()) as fd:
        cell, found = Cell(5, 55), Cell()
        syscall.map_update(fd, cell.key, cell.value, c.BPF_NOEXIST)
        try:
            taken = syscall.map_lookup_and_delete(fd, cell.key, found.value)
        except KernelError as refusal:
            if refusal.errno != ENOTSUPP:
                raise
            pytest.skip("values of hashes cannot be taken out in one call (Linux 5.14)")
        assert (taken, found.v.value) == (True, 55)
        assert syscall.map_delete(fd, cell.key) is False


def test_what_an_update_may_refuse() -> None:
    with closing(hash_map(entries=2)) as fd:
        one, two, three = Cell(1), Cell(2), Cell(3)
        with pytest.raises(KernelError, match="BPF_EXIST was asked for") as absent:
            syscall.map_update(fd, one.key, one.value, c.BPF_EXIST)
        assert absent.value.errno == errno.ENOENT
        syscall.map_update(fd, one.key, one.value)
        syscall.map_update(fd, two.key, two.value)
        with pytest.raises(KernelError, match="BPF_NOEXIST was asked for"):
            syscall.map_update(fd, two.key, two.value, c.BPF_NOEXIST)
        with pytest.raises(MapFullError, match=r"'test_hash' \(hash, 2 entries\).*full") as full:
            syscall.map_update(fd, three.key, three.value)
        assert full.value.errno == errno.E2BIG


@pytest.mark.parametrize("delete", [False, True])
def test_batches(requires: Callable[[str], None], *, delete: bool) -> None:
    requires("batch_ops")
    n = 101
    keys, values = (ctypes.c_uint32 * n)(*range(n)), (ctypes.c_uint64 * n)(*range(0, 7 * n, 7))
    with closing(hash_map(entries=n)) as fd:
        assert syscall.map_update_batch(fd, *map(ctypes.addressof, (keys, values)), n) == n
        out_keys, out_values = (ctypes.c_uint32 * 40)(), (ctypes.c_uint64 * 40)()
        cursor, seen, more, first = ctypes.c_uint32(), {}, True, True
        at = ctypes.addressof(cursor)
        while more:
            count, more = syscall.map_lookup_batch(
                fd, 0 if first else at, at, ctypes.addressof(out_keys),
                ctypes.addressof(out_values), 40, delete=delete,
            )  # fmt: skip
            seen |= dict(zip(out_keys[:count], out_values[:count], strict=True))
            first = False
        assert seen == {k: 7 * k for k in range(n)}
        left = 0 if delete else n
        assert syscall.map_delete_batch(fd, ctypes.addressof(keys), n) == left


def test_a_batch_that_does_not_fit_says_so(requires: Callable[[str], None]) -> None:
    requires("batch_ops")
    n = 64  # as many buckets as keys: some bucket holds two, whatever the seed of the hash
    keys, values = (ctypes.c_uint32 * n)(*range(n)), (ctypes.c_uint64 * n)()
    with closing(hash_map(entries=n)) as fd:
        syscall.map_update_batch(fd, *map(ctypes.addressof, (keys, values)), n)
        with pytest.raises(KernelError, match="read more entries at once") as small:
            walk_one_by_one(fd)
        assert small.value.errno == errno.ENOSPC


def walk_one_by_one(fd: int) -> None:
    cursor, key, value = ctypes.c_uint32(), ctypes.c_uint32(), ctypes.c_uint64()
    at, more = 0, True
    while more:
        out = ctypes.addressof(cursor)
        _, more = syscall.map_lookup_batch(fd, at, out, *map(ctypes.addressof, (key, value)), 1)
        at = out


def test_a_frozen_map_takes_no_more() -> None:
    with closing(syscall.map_create(c.BPF_MAP_TYPE_ARRAY, 4, 8, 1)) as fd:
        syscall.map_freeze(fd)
        cell = Cell()
        with pytest.raises(KernelError) as frozen:
            syscall.map_update(fd, cell.key, cell.value)
        assert frozen.value.errno == errno.EPERM


def test_what_the_kernel_says_of_a_map() -> None:
    name = "odd näme/with-more-than-15"
    with closing(syscall.map_create(c.BPF_MAP_TYPE_LRU_HASH, 4, 16, 100, name=name)) as fd:
        info = syscall.map_info(fd)
        assert (info.type, info.name, info.flags) == (
            c.BPF_MAP_TYPE_LRU_HASH,
            "odd_n_me_with_m",
            0,
        )
        assert (info.key_size, info.value_size, info.max_entries) == (4, 16, 100)
        assert info.id in set(syscall.ids("map"))
        with closing(syscall.fd_by_id("map", info.id)) as again:
            assert syscall.map_info(again) == info


def test_a_map_that_is_refused_is_described() -> None:
    with pytest.raises(
        KernelError,
        match=r"creating map 'm' \(array, key 8 bytes, value 4 bytes, 3 entries, flags 0x0\)",
    ) as refused:
        syscall.map_create(c.BPF_MAP_TYPE_ARRAY, 8, 4, 3, name="m")
    assert refused.value.errno == errno.EINVAL


def test_programs() -> None:
    fd, log = syscall.prog_load(c.BPF_PROG_TYPE_SOCKET_FILTER, RETURN_7, "GPL", name="seven")
    with closing(fd):
        assert log == ""
        info = syscall.prog_info(fd)
        assert (info.type, info.name, info.xlated_len) == (1, "seven", len(RETURN_7))
        assert (info.map_ids, info.gpl_compatible, info.run_cnt) == ((), True, 0)
        assert syscall.prog_xlated(fd) == RETURN_7
        assert syscall.prog_test_run(fd, data=bytes(14)).retval == 7


def test_a_program_lists_its_maps_and_counts_its_instructions() -> None:
    with closing(syscall.map_create(c.BPF_MAP_TYPE_ARRAY, 4, 8, 1)) as fd:
        code = i.assemble(i.ld_map_fd(i.R1, fd), i.mov64_imm(i.R0, 0), i.exit_insn())
        prog, log = syscall.prog_load(c.BPF_PROG_TYPE_SOCKET_FILTER, code, "GPL", log_level=1)
        with closing(prog):
            assert "processed 3 insns" in log
            info = syscall.prog_info(prog)
            assert info.map_ids == (syscall.map_info(fd).id,)
            assert info.verified_insns in (0, 3)  # 0 before Linux 5.16


def test_a_refused_program_brings_its_log() -> None:
    with pytest.raises(syscall.RefusedError, match=r"'bad' \(kprobe, 1 instructions\)") as bad:
        syscall.prog_load(c.BPF_PROG_TYPE_KPROBE, i.exit_insn().pack(), "GPL", name="bad")
    assert bad.value.errno == errno.EACCES
    assert "R0 !read_ok" in bad.value.log


def test_the_log_grows_until_it_fits() -> None:
    code = i.assemble(*[i.mov64_imm(i.R0, n) for n in range(4000)], i.exit_insn())
    fd, log = syscall.prog_load(
        c.BPF_PROG_TYPE_SOCKET_FILTER, code, "GPL", log_level=2, log_size=256
    )
    os.close(fd)
    assert log.startswith(("0: R1", "func#0"))
    assert "processed 4001 insns" in log


def test_a_log_is_not_asked_for_when_nobody_reads_it() -> None:
    with pytest.raises(syscall.RefusedError) as bad:
        syscall.prog_load(c.BPF_PROG_TYPE_KPROBE, i.exit_insn().pack(), "GPL", explain=False)
    assert bad.value.log == ""


def test_broken_btf_is_refused_with_its_log() -> None:
    with pytest.raises(syscall.RefusedError, match="loading BTF"):
        syscall.btf_load(b"no BTF at all")
    header = b"\x9f\xeb\x01\x00" + (24).to_bytes(4, "little") + bytes(16)
    with pytest.raises(syscall.RefusedError) as bad:
        syscall.btf_load(header)
    assert bad.value.log


def test_a_syscall_program_changes_its_context(requires: Callable[[str], None]) -> None:
    requires("syscall_prog")
    code = i.assemble(
        i.ldx_mem(i.DW, i.R2, i.R1), i.alu64_imm(i.MUL, i.R2, 3), i.stx_mem(i.DW, i.R1, i.R2),
        i.mov64_imm(i.R0, 11), i.exit_insn(),
    )  # fmt: skip
    fd, _ = syscall.prog_load(c.BPF_PROG_TYPE_SYSCALL, code, "GPL", flags=c.BPF_F_SLEEPABLE)
    with closing(fd):
        run = syscall.prog_test_run(fd, ctx=(14).to_bytes(8, sys.byteorder))
    assert (run.retval, int.from_bytes(run.ctx, sys.byteorder)) == (11, 42)


def test_ids_of_what_is_not_there() -> None:
    assert syscall.next_id("link", 0x7FFFFFF0) is None
    with pytest.raises(KernelError) as gone:
        syscall.fd_by_id("prog", 0x7FFFFFF0)
    assert gone.value.errno == errno.ENOENT


def test_pins_need_their_file_system(tmp_path: object) -> None:
    with closing(hash_map()) as fd, pytest.raises(KernelError, match="pinning to"):
        syscall.obj_pin(fd, f"{tmp_path}/pin")
    with pytest.raises(KernelError, match="opening the pinned object"):
        syscall.obj_get(f"{tmp_path}/pin")


def test_a_descriptor_that_is_no_map() -> None:
    with pytest.raises(KernelError, match="descriptor 4242") as bad:
        syscall.map_lookup(4242, 0, 0)
    assert bad.value.errno == errno.EBADF


_UNPRIVILEGED = """
import os
from pyebpf.abi import constants as c
from pyebpf.errors import KernelError
from pyebpf.runtime import syscall
os.setresuid(65534, 65534, 65534)
for make in (
    lambda: syscall.map_create(c.BPF_MAP_TYPE_LRU_HASH, 4, 4, 1, name="m"),
    lambda: syscall.prog_load(c.BPF_PROG_TYPE_TRACEPOINT, bytes(8), "GPL"),
    lambda: syscall.next_id("prog"),
):
    try:
        make()
    except KernelError as error:
        print(error.errno, error.capability, "|", error)
"""


def test_a_missing_capability_is_named() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    run = subprocess.run(
        [sys.executable, "-c", _UNPRIVILEGED], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    made, loaded, listed = run.stdout.splitlines()
    assert made.startswith("1 CAP_BPF | creating map 'm'")
    assert loaded.startswith("1 CAP_BPF | loading program")
    assert "needs CAP_BPF and CAP_PERFMON, which this process lacks" in loaded
    assert listed.startswith("1 CAP_SYS_ADMIN | listing prog ids failed: EPERM")
    assert "ulimit" not in run.stdout
