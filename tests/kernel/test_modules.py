"""Types, functions and tracepoints of modules. The module is ``loop``, which the machines of
``tests.vm`` have loaded; a machine without it skips.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyebpf import (
    Array,
    KprobeContext,
    Ptr,
    SkBuffContext,
    cast,
    fentry,
    fexit,
    has_field,
    has_type,
    host_target,
    i8,
    i32,
    i64,
    kfunc,
    kprobe,
    kretprobe,
    load,
    offsetof,
    raw_tracepoint,
    record,
    sizeof,
    tc,
    tgid,
    tp_btf,
    u16,
    u32,
    u64,
)
from pyebpf.btf import Btf
from pyebpf.btf.extract import extract, move
from pyebpf.btf.layout import resolve_path, size_of
from pyebpf.btf.system import kernel_btf, module_btf, module_names
from pyebpf.btf.types import Kind
from pyebpf.errors import AttachError, CompileError
from pyebpf.kernel import block_device, file, loop_device
from tests.kernel.running import fire, loaded
from tests.programs import ROOT

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(
        "loop" not in module_names(), reason="no module `loop` with types is loaded here"
    ),
]

OWN = os.getpid()
_GET_FREE = 0x4C82  # LOOP_CTL_GET_FREE: include/uapi/linux/loop.h
_GET_STATUS64 = 0x4C05
numbers = Array[u64](max_entries=8)


def ask_for_a_device() -> int:
    """Call ``loop_control_ioctl``; return the number of a device that is free."""
    with Path("/dev/loop-control").open("rb") as control:
        return fcntl.ioctl(control, _GET_FREE)


@fentry("loop:loop_control_ioctl")
def asked(file: Ptr[file], cmd: u32, parm: u64) -> None:
    if tgid() == OWN and cmd == _GET_FREE:  # Python asks whether a file is a terminal
        numbers[0] += 1
        numbers[1] = cmd
        numbers[2] = file.f_flags


@fexit("loop_control_ioctl")
def answered(file: Ptr[file], cmd: u32, parm: u64, ret: i64) -> None:
    if tgid() == OWN:
        numbers[3] = ret


@kprobe("loop:loop_control_ioctl")
def probed(ctx: KprobeContext, file: Ptr[file], cmd: u32) -> None:
    if tgid() == OWN:
        numbers[4] = cmd


@kretprobe("loop:loop_control_ioctl")
def returned(ctx: KprobeContext, ret: i64) -> None:
    if tgid() == OWN:
        numbers[5] = ret


def test_functions_of_a_module() -> None:
    with load(asked, answered, probed, returned) as session:
        free = ask_for_a_device()
        runs, cmd, flags, *others = session[numbers].view()[:6].tolist()
        assert (runs, cmd, flags & os.O_ACCMODE) == (1, _GET_FREE, os.O_RDONLY)
        assert others == [free, _GET_FREE, free]


@fentry("lo_ioctl")
def device(bdev: Ptr[block_device], mode: u32, cmd: u32, arg: u64) -> None:
    if tgid() == OWN and cmd == _GET_STATUS64:
        lo = cast(Ptr[loop_device], bdev.bd_disk.private_data)
        numbers[0] += 1
        numbers[1] = lo.lo_number
        numbers[2] = sizeof(loop_device)
        numbers[3] = offsetof(loop_device, "lo_number")
        numbers[4] = lo.lo_disk == bdev.bd_disk


@pytest.fixture
def number() -> Iterator[int]:
    """The number of a device that nothing is behind."""
    free = ask_for_a_device()
    with Path(f"/dev/loop{free}").open("rb") as opened:
        yield free
        assert opened.fileno() >= 0


def ask_its_status(number: int) -> None:
    with Path(f"/dev/loop{number}").open("rb") as opened, pytest.raises(OSError, match="No such"):
        fcntl.ioctl(opened, _GET_STATUS64, bytes(512))


def where() -> list[int]:
    types = kernel_btf()
    found = types.find("loop_device", Kind.STRUCT)
    return [size_of(types, found), resolve_path(types, found, "lo_number").offset]


def test_types_of_a_module(number: int) -> None:
    with load(device) as session:
        ask_its_status(number)
        assert session[numbers].view()[:5].tolist() == [1, number, *where(), 1]


def test_fields_that_moved_in_a_module_are_found(number: int) -> None:
    """Compiled for a kernel whose module has the field elsewhere."""
    changes: dict[str, Any] = {"loop_device": move("lo_number", 1_024)}
    names = ("loop_device", "block_device", "gendisk", "lo_ioctl")
    types = Btf.parse(extract(kernel_btf(), names, changes))
    there = resolve_path(types, types.find("loop_device", Kind.STRUCT), "lo_number").offset
    assert there == 1_024 != where()[1]
    with load(device, target=host_target().replace(btf=types)) as session:
        ask_its_status(number)
        assert session[numbers].view()[:5].tolist() == [1, number, *where(), 1]


@raw_tracepoint("sys_enter")
def questions() -> int:
    numbers[0] = has_type(loop_device)
    numbers[1] = has_field(loop_device, "lo_number")
    numbers[2] = has_field(loop_device, "lo_no_such_field")
    return 1


def test_questions_about_a_module() -> None:
    with loaded(questions) as session:
        fire(session, questions)
        assert session[numbers].view()[:3].tolist() == [1, 1, 0]


@tp_btf("9p_client_req")
def requested(clnt: u64, kind: i8, tag: i32) -> None:
    if tgid() == OWN:
        numbers[0] += 1
        numbers[1] = tag


@pytest.mark.skipif("9pnet" not in module_names(), reason="no module `9pnet` is loaded here")
def test_tracepoints_of_a_module() -> None:
    with load(requested) as session:
        assert not Path(f"/lib/{uuid.uuid4()}").exists()
        assert session[numbers][0] >= 1


def test_a_module_that_is_not_loaded() -> None:
    @fentry("xfs:xfs_file_open")
    def opened(inode: u64, file: u64) -> None:
        numbers[0] += 1

    @kprobe("no_such_module:some_function")
    def never(ctx: KprobeContext) -> None:
        numbers[0] += 1

    assert "xfs" not in module_names()
    with pytest.raises(CompileError, match="run `modprobe xfs` first"):
        load(opened)
    with pytest.raises(AttachError, match="this kernel has no module no_such_module"):
        load(never)


_ASKS = """
import os
from pyebpf import Array, has_type, load, raw_tracepoint, tgid, u64
from pyebpf.kernel import fou

OWN = os.getpid()
numbers = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def asks() -> None:
    numbers[0] = 1 + has_type(fou)


with load(asks) as session:
    os.getppid()
    print(session[numbers][0] - 1)
"""


@pytest.fixture
def fou() -> Iterator[None]:
    """A module that nobody uses is loaded, and gone again afterwards."""
    if subprocess.run(["modprobe", "fou"], check=False).returncode:
        pytest.skip("there is no module fou, or it may not be loaded")
    yield
    subprocess.run(["modprobe", "-r", "fou"], check=True)


@pytest.mark.thorough
def test_a_kept_program_knows_which_modules_were_there(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A program from the cache is not that of a kernel with other modules."""
    path = tmp_path / "asks.py"
    path.write_text(_ASKS)

    def run() -> str:
        environment = {"PYTHONPATH": str(ROOT), "PYEBPF_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run(
            [sys.executable, str(path)], capture_output=True, text=True, check=False,
            env={**os.environ, **environment},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert "fou" not in module_names()
    assert (run(), run()) == ("0", "0")
    request.getfixturevalue("fou")
    assert (run(), run()) == ("1", "1")


@record
class Encap:
    sport: u16
    dport: u16


set_fou_encap = kfunc("bpf_skb_set_fou_encap")


@tc()
def encapsulated(ctx: SkBuffContext) -> i32:
    numbers[0] = set_fou_encap(ctx, Encap(sport=1, dport=2), 0)
    numbers[1] = 1
    return 0


def test_functions_of_a_module_for_programs(fou: None) -> None:
    """It refuses a packet that no tunnel has: what counts is that it runs."""
    try:
        module_btf("fou").find("bpf_skb_set_fou_encap", Kind.FUNC)
    except KeyError:
        pytest.skip("the module fou of this kernel has no functions for programs (Linux 6.4)")
    with load(encapsulated, attach=False) as session:
        session.test_run(encapsulated, data=bytes(64))
        assert session[numbers][1] == 1
