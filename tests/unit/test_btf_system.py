"""Where the kernel's types come from, on files made for the test."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from pyebpf.btf import Btf, belonging, system
from pyebpf.btf import types as t
from pyebpf.btf.write import Builder, write
from pyebpf.errors import FormatError, NotSupportedError, OtherKernelError

DATA = write([t.Int("int", 4, t.SIGNED, 32), t.Struct("file", 4, (t.Member("n", 1, 0),))])


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine made of files: no kernel BTF yet, an empty cache."""
    monkeypatch.delenv("PYEBPF_BTF", raising=False)
    monkeypatch.delenv("PYEBPF_CACHE", raising=False)
    monkeypatch.setenv("PYEBPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(system, "DIRECTORY", str(tmp_path / "btf"))
    monkeypatch.setattr(system, "NOTES", str(tmp_path / "notes"))
    monkeypatch.setattr(system, "_loaded", {})
    (tmp_path / "btf").mkdir()
    (tmp_path / "notes").write_bytes(
        note(b"Linux\0", 0x101, b"x") + note(b"GNU\0", 3, b"\xab" * 20)
    )
    return tmp_path


def note(owner: bytes, kind: int, payload: bytes) -> bytes:
    def padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 4)

    return struct.pack("<III", len(owner), len(payload), kind) + padded(owner) + padded(payload)


def elf(btf: bytes, name: bytes = b".BTF", notes: bytes = b"") -> bytes:
    names = b"\0" + name + b"\0.shstrtab\0.notes\0"
    at, rows, content = 64, [bytes(64)], b""
    offsets = (1, 2 + len(name), 12 + len(name))
    for where, data in zip(offsets, (btf, names, notes), strict=True):
        rows.append(struct.pack("<IIQQQQ", where, 1, 0, 0, at, len(data)) + bytes(24))
        content, at = content + data, at + len(data)
    head = bytearray(64)
    head[:8] = b"\x7fELF\x02\x01\x01\0"
    struct.pack_into("<Q", head, 40, at)
    struct.pack_into("<HHH", head, 58, 64, len(rows), 2)
    return bytes(head) + content + b"".join(rows)


def test_the_kernels_types(files: Path) -> None:
    (files / "btf" / "vmlinux").write_bytes(DATA)
    btf = system.kernel_btf()
    assert btf.find("file") == 2
    assert system.kernel_btf() is btf
    assert system.kernel_ident() == "ab" * 20
    kept = {path.name for path in (files / "cache").iterdir()}
    assert kept == {f"btf-{'ab' * 20}-starts", f"btf-{'ab' * 20}-types"} | (
        {f"btf-{'ab' * 20}-functions"}  # no kind was named: both tables were searched
    )


def test_the_index_is_read_back(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "btf" / "vmlinux").write_bytes(DATA)
    system.kernel_btf().find("file")
    monkeypatch.setattr(system, "_loaded", {})
    monkeypatch.setattr("pyebpf.btf.index.walk", None)
    monkeypatch.setattr("pyebpf.btf.index.NameTable.build", None)
    assert system.kernel_btf().find("file") == 2


def test_an_empty_file_is_no_btf(files: Path) -> None:
    (files / "btf" / "vmlinux").write_bytes(b"")
    with pytest.raises(FormatError, match="too few"):
        system.kernel_btf()


def test_a_kernel_without_types(files: Path) -> None:
    with pytest.raises(NotSupportedError, match="CONFIG_DEBUG_INFO_BTF") as error:
        system.kernel_btf()
    assert (error.value.feature, error.value.since) == ("kernel_btf", "5.4")
    assert "$PYEBPF_BTF" in str(error.value)


@pytest.mark.parametrize("make", [bytes, elf], ids=["raw", "elf"])
def test_a_file_of_ones_own(
    files: Path, monkeypatch: pytest.MonkeyPatch, make: type[bytes]
) -> None:
    (files / "own").write_bytes(make(DATA))
    monkeypatch.setenv("PYEBPF_BTF", str(files / "own"))
    assert system.kernel_btf().find("file") == 2
    (files / "own").write_bytes(make(write([t.Fwd("other")])))
    assert system.kernel_btf().find("other") == 1  # a new file is not the old one


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (elf(DATA, b".text"), "no section `.BTF`"),
        (elf(DATA)[:80], "cut short"),
        (b"\x7fELF\x01\x01", "64-bit"),
        (b"something else", "too few"),
        (b"something else that is longer", "not BTF"),
    ],
)
def test_a_file_that_is_something_else(
    files: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, said: str
) -> None:
    (files / "own").write_bytes(data)
    monkeypatch.setenv("PYEBPF_BTF", str(files / "own"))
    with pytest.raises(FormatError, match=said):
        system.kernel_btf()


def test_a_file_that_is_not_there(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYEBPF_BTF", str(files / "absent"))
    with pytest.raises(NotSupportedError, match=r"PYEBPF_BTF.*No such file"):
        system.kernel_btf()


def kallsyms(files: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    lines = [*(f"{0:016x} t {name}\n" for name in names), f"{0:016x} t of_a_module\t[loop]\n"]
    (files / "kallsyms").write_text("".join(lines))
    monkeypatch.setattr(belonging, "KALLSYMS", str(files / "kallsyms"))


def described(functions: int, tracepoints: tuple[str, ...] = ()) -> bytes:
    made = Builder()
    nothing = made.add_proto(0)
    for number in range(functions):
        made.add_func(f"function_{number}", nothing)
    for name in tracepoints:
        made.add_typedef(f"btf_trace_{name}", nothing)
    return made.to_bytes()


@pytest.mark.parametrize(
    ("symbols", "said"),
    [
        (("function_0.isra.0", *(f"function_{i}" for i in range(1, 199)), "__traceiter_x"), ""),
        ((*(f"function_{i}" for i in range(150)), "__traceiter_x"), "no function function_150"),
        ((*(f"function_{i}" for i in range(200)), "__traceiter_y"), "no tracepoint x"),
        ((*(f"function_{i}" for i in range(200)),), ""),  # kernels without those functions
        (("of_a_module",), "no function function_0"),
        ((), "no function function_0"),
    ],
)
def test_whether_types_are_of_this_kernel(
    files: Path, monkeypatch: pytest.MonkeyPatch, symbols: tuple[str, ...], said: str
) -> None:
    kallsyms(files, monkeypatch, *symbols, "start_kernel")
    (files / "own").write_bytes(described(200, ("x",)))
    if not said:
        assert system.kernel_btf(str(files / "own")).find("function_7")
        return
    for _ in range(2):  # the answer is kept
        with pytest.raises(OtherKernelError, match=f"another kernel than the running .*{said}"):
            system.kernel_btf(str(files / "own"))
    assert system.open_btf(str(files / "own")).find("function_7")


def test_a_few_types_may_be_of_any_kernel(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kallsyms(files, monkeypatch, "start_kernel")
    (files / "own").write_bytes(DATA)
    assert system.kernel_btf(str(files / "own")).find("file") == 2


def test_a_vmlinux_says_which_build_it_is(files: Path) -> None:
    for build, name in ((b"\xab" * 20, "same"), (b"\xcd" * 20, "other")):
        (files / name).write_bytes(elf(DATA, notes=note(b"GNU\0", 3, build)))
    assert system.kernel_btf(str(files / "same")).find("file") == 2
    with pytest.raises(OtherKernelError, match=f"build id is {'cd' * 20}, not {'ab' * 20}"):
        system.kernel_btf(str(files / "other"))


def test_what_tells_types_apart(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = files / "own"
    own.write_bytes(DATA)
    idents = {system.types_ident(), system.types_ident(str(own))}
    own.write_bytes(DATA + b"\0")
    idents.add(system.types_ident(str(own)))
    assert len(idents) == 3
    monkeypatch.setenv("PYEBPF_BTF", str(own))
    assert system.types_ident() in idents


def test_modules(files: Path) -> None:
    (files / "btf" / "vmlinux").write_bytes(DATA)
    own = Builder(Btf.parse(DATA))
    own.add_struct("tun", 4, [("n", 1, 0)])
    (files / "btf" / "tun").write_bytes(own.to_bytes())
    assert system.module_names() == ["tun"]
    btf = system.module_btf("tun")
    assert (btf.find("tun"), btf.find("file")) == (3, 2)
    for wrong in ("absent", "vmlinux", "../btf/tun"):
        with pytest.raises(NotSupportedError, match="module"):
            system.module_btf(wrong)


def test_a_kernel_without_build_id(files: Path) -> None:
    (files / "notes").write_bytes(note(b"Linux\0", 0x101, b"x"))
    first = system.kernel_ident()
    (files / "notes").unlink()
    assert system.kernel_ident() == first
    assert first
    assert "/" not in first
    assert " " not in first
    (files / "notes").write_bytes(b"\xff" * 30)
    assert system.kernel_ident() == first
