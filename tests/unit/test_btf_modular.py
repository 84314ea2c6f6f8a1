"""Types of modules behind those of the kernel: ids that mean one type, found when asked for."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyebpf.btf import Btf, modules, system
from pyebpf.btf import types as t
from pyebpf.btf.files import read
from pyebpf.btf.layout import c_name, resolve_path, size_of
from pyebpf.btf.modular import ModularBtf
from pyebpf.btf.parse import Btf as Parsed
from pyebpf.btf.types import Kind
from pyebpf.btf.write import Builder
from pyebpf.dsl.check.kernel_types import Kernel
from pyebpf.dsl.types import KernelRef, Pointer, Space
from pyebpf.spec.target import Target


def vmlinux() -> bytes:
    made = Builder()
    made.add_int("int", 4, signed=True)  # 1
    made.add_struct("file", 4, [("n", 1, 0)])  # 2
    made.add(t.Fwd("only_declared"))  # 3
    made.add_func("do_it", made.add_proto(1, [("n", 1)]))  # 4 5
    return made.to_bytes()


def module(name: str, *, shared: str = "shared") -> bytes:
    own = Builder(Btf.parse(vmlinux()))
    first = own.add_struct(f"{name}_device", 8, [("number", 1, 0), ("n", 1, 32)])
    own.add_struct(shared, 16, [("device", first, 0), ("file", 2, 64), ("count", 1, 96)])
    own.add_func(f"{name}_open", own.add_proto(1, [("dev", own.add_ptr(first))]))
    tagged = own.add_func(f"{name}_for_programs", own.add_proto(1, [("n", 1)]))
    own.add(t.DeclTag("bpf_kfunc", tagged))
    return own.to_bytes()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine made of files: a kernel, two modules that are loaded, a third that is not."""
    folder = tmp_path / "btf"
    folder.mkdir()
    (folder / "vmlinux").write_bytes(vmlinux())
    (folder / "loop").write_bytes(module("loop"))
    (folder / "nbd").write_bytes(module("nbd", shared="own_of_nbd"))
    (tmp_path / "module" / "old").mkdir(parents=True)
    release = tmp_path / "installed" / system.os.uname().release
    release.mkdir(parents=True)
    (release / "modules.dep").write_text("kernel/fs/xfs/xfs.ko.xz: a.ko\nkernel/l/nft-x.ko:\n")
    monkeypatch.setenv("PYEBPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("PYEBPF_CACHE", raising=False)
    monkeypatch.delenv("PYEBPF_BTF", raising=False)
    monkeypatch.setattr(system, "DIRECTORY", str(folder))
    monkeypatch.setattr(system, "NOTES", str(tmp_path / "notes"))
    monkeypatch.setattr(modules, "LOADED", str(tmp_path / "module"))
    monkeypatch.setattr(modules, "INSTALLED", str(tmp_path / "installed"))
    forget(monkeypatch)
    yield tmp_path
    forget(monkeypatch)
    gc.collect()  # the files are mapped for as long as there are types of them


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_loaded", {})
    monkeypatch.setattr(system, "_known_modules", {})


def test_a_name_of_the_kernel_asks_no_module(files: Path) -> None:
    btf = system.kernel_btf()
    assert btf.find("file") == 2
    assert (len(btf), btf.place(2), system.modules_asked()) == (6, ("", 2), "")


def test_types_of_modules_stand_one_behind_the_other(files: Path) -> None:
    btf = system.kernel_btf()
    nbd, loop = btf.find("nbd_device"), btf.find("loop_device")
    assert nbd != loop
    assert btf.place(nbd) == ("nbd", 6)
    assert btf.place(loop) == ("loop", 6)
    assert [c_name(btf, i) for i in (nbd, loop)] == ["struct nbd_device", "struct loop_device"]
    shared = btf.find("shared", Kind.STRUCT)
    assert resolve_path(btf, shared, "device.n").offset == 4
    assert resolve_path(btf, shared, "file.n").offset == 8
    assert size_of(btf, shared) == 16
    function = btf.type(btf.find("loop_open", Kind.FUNC))
    assert isinstance(function, t.Func)
    proto = btf.type(function.type)
    assert isinstance(proto, t.FuncProto)
    pointer = btf.type(proto.params[0].type)
    assert isinstance(pointer, t.Ptr)
    assert (pointer.type, proto.result) == (loop, 1)
    assert {btf.name(i) for i in range(btf.end, len(btf))} >= {"nbd_device", "loop_device"}


def test_a_module_may_be_named(files: Path) -> None:
    btf = system.kernel_btf()
    (found,) = btf.within("loop", "loop_open", Kind.FUNC)
    assert btf.place(found)[0] == "loop"
    assert btf.within("loop", "nbd_open", Kind.FUNC) == []
    assert btf.within("loop", "file") == []  # the kernel's
    assert btf.beside(found, "shared") == btf.find_all("shared")
    assert btf.beside(2, "shared") == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("xfs", "the module xfs is not loaded: run `modprobe xfs` first"),
        ("nft_x", "run `modprobe nft_x` first"),
        ("xfx", "this kernel has no module xfx; did you mean `xfs`?"),
        ("old", "offers no types of module old"),
    ],
)
def test_what_to_do_about_a_module(files: Path, name: str, said: str) -> None:
    btf = system.kernel_btf()
    with pytest.raises(KeyError):
        btf.within(name, "anything")
    assert said in btf.without(name)


def test_a_plain_blob_has_no_modules() -> None:
    plain = Btf.parse(vmlinux())
    with pytest.raises(KeyError):
        plain.within("loop", "loop_open")
    assert "no types of a module loop" in plain.without("loop")
    assert plain.beside(1, "file") == [2]


def test_names_are_read_once(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert system.kernel_btf().find_all("nowhere") == []
    forget(monkeypatch)
    monkeypatch.setattr(modules, "_named", None)
    btf = system.kernel_btf()
    assert btf.find_all("nowhere") == []
    assert btf.place(btf.find("nbd_device"))[0] == "nbd"


def test_a_module_that_comes_later_is_found(files: Path) -> None:
    btf = system.kernel_btf()
    assert btf.find_all("late_device", Kind.UNION) == []
    before = system.modules_asked()
    (files / "btf" / "late").write_bytes(module("late", shared="own_of_late"))
    assert btf.place(btf.find("late_device"))[0] == "late"
    assert before
    assert system.modules_asked() not in ("", before)


def test_a_flavour_of_a_module_is_found(files: Path) -> None:
    own = Builder(Btf.parse(vmlinux()))
    own.add_struct("thing___v2", 4, [("n", 1, 0)])
    (files / "btf" / "later").write_bytes(own.to_bytes())
    btf = system.kernel_btf()
    (found,) = btf.flavours("thing")
    assert btf.name(found) == "thing___v2"
    assert btf.find_all("thing") == []


def test_another_file_has_no_modules(files: Path) -> None:
    btf = system.open_btf(str(files / "btf" / "vmlinux"))
    assert not isinstance(btf, ModularBtf)
    assert isinstance(btf, Parsed)
    assert btf.find_all("loop_device") == []
    assert read(str(files / "btf" / "vmlinux")).build_id == ""


def test_what_a_probe_sees_of_a_module(files: Path) -> None:
    kernel = Kernel(Target(system.kernel_btf(), arch="x86_64"))
    plain, named = (kernel.function(n, Space.BTF) for n in ("loop_open", "loop:loop_open"))
    assert plain == named
    assert plain is not None
    (argument,) = plain.arguments
    assert argument.spelling == "struct loop_device *"
    assert isinstance(argument.type, Pointer)
    assert argument.type.space is Space.BTF
    assert kernel.function("nbd:loop_open", Space.BTF) is None
    assert kernel.function("xfs:loop_open", Space.BTF) is None
    assert kernel.without_module("nbd:loop_open") == kernel.without_module("loop_open") == ""
    assert "modprobe xfs" in kernel.without_module("xfs:loop_open")


def test_functions_for_programs_are_marked_in_their_module(files: Path) -> None:
    kernel = Kernel(Target(system.kernel_btf(), arch="x86_64"))
    found = kernel.kfunc("loop_for_programs")
    assert found is not None
    assert [param.name for param in found.params] == ["n"]
    assert kernel.kfunc("loop_open") is None


def test_what_the_kernel_only_declares_a_module_may_define(files: Path) -> None:
    own = Builder(Btf.parse(vmlinux()))
    own.add_struct("only_declared", 4, [("here", 1, 0)])
    (files / "btf" / "later").write_bytes(own.to_bytes())
    kernel = Kernel(Target(system.kernel_btf(), arch="x86_64"))
    pointer = kernel.pointer(3, Space.BTF)
    assert isinstance(pointer.to, KernelRef)
    assert kernel.member_names(pointer.to) == ["here"]
    assert pointer.space is Space.KERNEL  # to the verifier it is a number
    assert kernel.pointer(3, Space.USER).space is Space.USER
