"""BTF for older kernels, and reduced BTF with changes."""

from __future__ import annotations

import ctypes
import os
import platform

import pytest

from pyebpf.btf import Btf, Kind
from pyebpf.btf import types as t
from pyebpf.btf.core import relocate
from pyebpf.btf.extract import all_of, drop_field, extract, move, rename, rename_field
from pyebpf.btf.layout import c_name, find_member, resolve_path, size_of
from pyebpf.btf.sanitise import sanitise
from pyebpf.btf.write import Builder


def everything() -> Builder:
    """One of each kind, as a compiler puts them into an object."""
    out = Builder()
    number = out.add_int("int", 4, signed=True)
    pair = out.add_struct("pair", 8, [("x", number, 0), ("y", number, 32, 5)])
    out.add(t.Float("double", 8))
    tagged = out.add_ptr(out.add(t.TypeTag("user", pair)))
    proto = out.add_proto(number, [("p", tagged), ("n", number)])
    out.add_func("probe", proto, 1)
    out.add(t.DeclTag("note", pair, 1))
    out.add_enum("small", {"A": -1}, signed=True)
    out.add_enum("large", {"B": 1 << 40, "C": 2}, size=8)
    first = out.add(t.Var("first", number, 1))
    second = out.add(t.Var("second", pair, 0))
    rows = (t.SecVar(first, 0, 4), t.SecVar(second, 4, 8))
    out.add(t.DataSec(".bss.own", 12, rows))
    return out


OLD = ("func", "func_global", "datasec", "float", "decl_tag", "type_tag", "enum64")


def after(**flags: bool) -> dict[Kind, list[t.Type]]:
    before, btf = everything().build(), Btf.parse(sanitise(everything().to_bytes(), **flags))
    found: dict[Kind, list[t.Type]] = {}
    for old, new in zip(before.types(), btf.types(), strict=False):
        if old != new:
            found.setdefault(old.kind, []).append(new)
    return found


def test_a_new_kernel_takes_all() -> None:
    assert sanitise(everything().to_bytes()) == everything().to_bytes()


def test_each_kind_has_its_replacement() -> None:
    assert after(float=False) == {Kind.FLOAT: [t.Struct("", 8, ())]}
    assert after(type_tag=False) == {Kind.TYPE_TAG: [t.Const(2)]}
    assert after(decl_tag=False) == {Kind.DECL_TAG: [t.Int("", 1, 0, 8)]}
    assert after(func_global=False) == {Kind.FUNC: [t.Func("probe", 6, 0)]}
    func = after(func=False)
    assert func[Kind.FUNC] == [t.Typedef("probe", 6)]
    assert func[Kind.FUNC_PROTO] == [
        t.Enum("", 4, (t.Enumerator("p", 5), t.Enumerator("n", 1)))
    ]  # fmt: skip
    data = after(datasec=False)
    assert data[Kind.VAR] == [t.Int("", 1, 0, 8)] * 2
    members = (t.Member("first", 11, 0), t.Member("second", 12, 32))
    assert data[Kind.DATASEC] == [t.Struct("_bss_own", 12, members)]
    wide = after(enum64=False)
    assert wide[Kind.ENUM] == [t.Enum("small", 4, (t.Enumerator("A", 0xFFFFFFFF),))]
    placeholder = everything().next_id
    members = (t.Member("B", placeholder, 0), t.Member("C", placeholder, 0))
    assert wide[Kind.ENUM64] == [t.Union("large", 8, members)]


def test_the_placeholder_is_added_once_at_the_end() -> None:
    btf = Btf.parse(sanitise(everything().to_bytes(), enum64=False))
    assert len(btf) == everything().next_id + 1
    assert btf.type(len(btf) - 1) == t.Int("enum64_placeholder", 1, 0, 8)


def test_nothing_new_is_left_for_the_oldest_kernel() -> None:
    btf = Btf.parse(sanitise(everything().to_bytes(), **dict.fromkeys(OLD, False)))
    newest = max(node.kind for node in btf.types())
    assert newest <= Kind.RESTRICT
    assert size_of(btf, btf.find("pair")) == 8


@pytest.mark.kernel
@pytest.mark.parametrize("lacks", [(), *((name,) for name in OLD), OLD], ids=str)
def test_the_kernel_takes_the_result(lacks: tuple[str, ...]) -> None:
    data = sanitise(everything().to_bytes(), **dict.fromkeys(lacks, False))
    fd, log = _load_btf(data)
    assert fd >= 0, log
    os.close(fd)


def _load_btf(data: bytes) -> tuple[int, str]:
    # struct { btf, btf_log_buf: u64; btf_size, btf_log_size, btf_log_level: u32 } of BPF_BTF_LOAD.
    number = {"x86_64": 321, "aarch64": 280}[platform.machine()]
    blob, log = ctypes.create_string_buffer(data, len(data)), ctypes.create_string_buffer(1 << 16)
    attr = (ctypes.c_uint64 * 4)(
        ctypes.addressof(blob), ctypes.addressof(log), len(data) | len(log) << 32, 1
    )
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(ctypes.c_long(number), 18, ctypes.byref(attr), ctypes.c_uint32(28))
    return fd, log.value.decode() or os.strerror(ctypes.get_errno())


def kernel() -> Builder:
    out = Builder()
    number = out.add_int("int", 4, signed=True)
    disk = out.add_struct("disk", 8, [("minor", number, 0), ("major", number, 32)])
    far = out.add_struct("far", 4, [("n", number, 0)])
    inner = out.add_union("", 8, [("near", disk, 0)])
    constant = out.add(t.Const(far))
    pointer = out.add_ptr(constant)
    out.add_struct(
        "request", 40,
        [("q", pointer, 0), ("tag", number, 64), ("", inner, 128), ("fixed", constant, 256)],
    )  # fmt: skip
    out.add_struct("unrelated", 4, [("x", number, 0)])
    return out


def test_extract_takes_what_is_needed() -> None:
    btf = Btf.parse(extract(kernel().build(), ["request"]))
    request = btf.find("request", Kind.STRUCT)
    assert btf.find("disk", Kind.STRUCT)
    assert btf.find_all("unrelated") == []
    assert [c_name(btf, m.type) for m in btf.type(request).members] == [  # type: ignore[attr-defined]
        "const struct far *", "int", "union {...}", "const struct far",
    ]  # fmt: skip
    assert resolve_path(btf, request, "near.major").bit_offset == 160
    assert btf.kind(btf.skip(resolve_path(btf, request, "fixed").type)) is Kind.STRUCT
    assert [btf.kind(i) for i in btf.find_all("far")].count(Kind.FWD) == 1


def test_extract_goes_as_deep_as_asked() -> None:
    deep = Btf.parse(extract(kernel().build(), ["request"], deep=True))
    assert [deep.kind(i) for i in deep.find_all("far")] == [Kind.STRUCT]
    with pytest.raises(KeyError, match="absent"):
        extract(kernel().build(), ["absent"])


def test_doctored_fields() -> None:
    own, local = kernel().build(), kernel().build()
    change = all_of(move("tag", 60), rename_field("q", "queue"), rename("request___v2"))
    btf = Btf.parse(extract(own, ["request"], {"request": change}))
    request = btf.find("request___v2")
    assert size_of(btf, request) == 68
    assert find_member(btf, request, "queue") is not None
    assert find_member(btf, request, "q") is None
    root = local.find("request")
    assert relocate(local, root, "0:1", 0, btf).value == 60
    assert relocate(local, root, "0:0", 2, btf).value == 0
    dropped = Btf.parse(extract(own, ["request"], {"request": drop_field("tag")}))
    assert relocate(local, root, "0:1", 2, dropped).value == 0
    with pytest.raises(KeyError, match="no field `nothing`"):
        extract(own, ["request"], {"request": move("nothing", 0)})
