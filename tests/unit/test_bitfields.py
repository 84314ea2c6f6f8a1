"""Bit-fields: laid out as clang does, and the same numbers in bytes, in numpy and in Python."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf import Char, FixedArray, Global, array, bits, chars, i32, record, u8, u32
from pyebpf.btf import Btf
from pyebpf.btf import types as t
from pyebpf.errors import PyebpfError
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.maps.layout import Half
from pyebpf.spec.bitfields import limits, word_of
from pyebpf.spec.dtype import decoded, decoded_dtype, encoded, numpy_dtype, pack, unpack
from pyebpf.spec.from_btf import data_type
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import BOOL, U32, DataType, Field, Int, Record, overlaid
from pyebpf.spec.types import record as lay_out
from tests.compile import programs

NUMBERS = [Int(size, signed) for size in (8, 16, 32, 64) for signed in (False, True)]


def some_record(name: str, choose: Callable[[int], int]) -> Record:
    """Return a record of bit-fields and others; ``choose(n)`` gives a number below n."""
    members: list[tuple[str, DataType]] = []
    widths = {}
    for number in range(1 + choose(9)):
        kind: DataType = NUMBERS[choose(len(NUMBERS))]
        if choose(8) == 0:
            kind = BOOL
        members.append((f"f{number}", kind))
        if choose(4):
            widths[f"f{number}"] = 1 + choose(getattr(kind, "bits", 1))
    made = lay_out(name, members, bits=widths)
    return overlaid(made) if choose(6) == 0 else made


def in_c(kind: Record) -> str:
    fields = []
    for field in kind.fields:
        word = "_Bool" if field.type == BOOL else _c_name(field.type)
        width = f" : {field.bits}" if field.bits else ""
        fields.append(f"{word} {field.name}{width};")
    word = "union" if kind.is_union else "struct"
    return f"{word} {kind.name} {{ {' '.join(fields)} }} v_{kind.name};"


def _c_name(kind: DataType) -> str:
    assert isinstance(kind, Int)
    return {8: "char", 16: "short", 32: "int", 64: "long"}[kind.bits].join(
        ("signed " if kind.signed else "unsigned ", "")
    )


def structs(btf: Btf) -> dict[str, t.Struct | t.Union]:
    return {node.name: node for node in btf.types() if isinstance(node, (t.Struct, t.Union))}


def described(kind: Record) -> tuple[int, list[tuple[str, int, int]]]:
    return kind.size, [(f.name, f.offset * 8 + f.shift, f.bits) for f in kind.fields]


@pytest.fixture(scope="module")
def cases() -> list[Record]:
    choose = random.Random(54)
    return [some_record(f"s{number}", choose.randrange) for number in range(300)]


@pytest.fixture(scope="module")
def by_clang(
    cases: list[Record], program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Btf:
    made = tmp_path_factory.mktemp("bits") / "bits.o"
    source = "\n".join(map(in_c, cases))
    command = [program("clang"), "-target", "bpfel", "-O2", "-g", "-c", "-xc", "-", "-o", str(made)]
    subprocess.run(command, input=source.encode(), check=True, timeout=60)
    return Btf.parse(parse_object(made.read_bytes()).btf)


def test_the_layout_is_clangs(cases: list[Record], by_clang: Btf) -> None:
    theirs = structs(by_clang)
    for kind in cases:
        node = theirs[kind.name]
        members = [(m.name, m.bit_offset, m.bitfield_size) for m in node.members]
        assert described(kind) == (node.size, members), in_c(kind)


def test_what_we_write_into_an_object_is_what_clang_writes(
    cases: list[Record], by_clang: Btf
) -> None:
    ours = structs(_btf_of(cases))
    theirs = structs(by_clang)
    for kind in cases:
        mine, their = ours[kind.name], theirs[kind.name]
        assert (mine.kind, mine.size) == (their.kind, their.size)
        assert [(m.name, m.bit_offset, m.bitfield_size) for m in mine.members] == [
            (m.name, m.bit_offset, m.bitfield_size) for m in their.members
        ]


def _btf_of(cases: list[Record]) -> Btf:
    maps = tuple(
        MapSpec(f"m{i}", "array", 4, kind.size, 1, 0, U32, kind) for i, kind in enumerate(cases)
    )
    made = programs.one(programs.entry(lambda _b, _c: None), maps=maps)
    return Btf.parse(parse_object(made).btf)


def test_what_is_read_from_an_object_is_the_same_record(by_clang: Btf, cases: list[Record]) -> None:
    for kind in cases:
        if not kind.is_union:
            found = data_type(by_clang, by_clang.find(kind.name, t.Kind.STRUCT))
            assert isinstance(found, Record)
            assert described(found) == described(kind)


@given(st.data())
def test_numbers_come_back(data: st.DataObject) -> None:
    kind = some_record("s", lambda n: data.draw(st.integers(0, n - 1)))
    if kind.is_union:
        return
    rows = [{f.name: data.draw(_values(f)) for f in kind.fields} for _ in range(3)]
    packed = [pack(kind, row) for row in rows]
    assert [dict(unpack(kind, one)) for one in packed] == rows
    half = Half(kind, kind.size, "value")
    there = half.over(b"".join(packed), (3,), (kind.size,))
    seen = half.copied(there)
    assert seen.dtype == decoded_dtype(kind)
    assert [{name: row[name].item() for name in row.dtype.names} for row in seen] == rows
    assert half.packed(seen, (3,)).tobytes() == b"".join(packed)


def _values(field: Field) -> st.SearchStrategy[Any]:
    if field.type == BOOL:
        return st.booleans()
    assert isinstance(field.type, Int)
    low, high = limits(field) if field.bits else (field.type.low, field.type.high)
    return st.integers(low, high)


@record
class Flags:
    seen: bool = bits(1)
    kind: u32 = bits(7)
    level: i32 = bits(5)
    plain: u8


@record
class Outer:
    name: Char = chars(4)
    flags: FixedArray[Flags] = array(2)


FLAGS: Record = Flags.__pyebpf_record__  # type: ignore[attr-defined]
OUTER: Record = Outer.__pyebpf_record__  # type: ignore[attr-defined]


def test_fields_lie_in_the_narrowest_word() -> None:
    assert [(f.offset, f.shift, f.bits) for f in FLAGS.fields] == [
        (0, 0, 1),
        (0, 1, 7),
        (0, 8, 5),
        (2, 0, 0),
    ]
    words = [word_of(f) for f in FLAGS.fields[:3]]
    assert [(w.offset, w.size, w.shift) for w in words] == [(0, 1, 0), (0, 1, 1), (1, 1, 0)]
    assert FLAGS.size == 4


def test_records_with_bits_inside_records() -> None:
    names = ("seen", "kind", "level", "plain")
    rows = tuple(
        dict(zip(names, row, strict=True)) for row in ((True, 127, -16, 9), (False, 1, 15, 0))
    )
    data = pack(OUTER, {"name": "ab", "flags": rows})
    assert unpack(OUTER, data).flags == rows
    there = np.frombuffer(data * 2, numpy_dtype(OUTER))
    seen = decoded(OUTER, there)
    assert seen["flags"]["level"].tolist() == [[-16, 15]] * 2
    assert seen["flags"]["seen"].dtype == np.bool_
    assert encoded(OUTER, seen).tobytes() == data * 2


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"value\.kind: 128 does not fit 7 bits: 0 to 127"):
        pack(FLAGS, {"seen": 0, "kind": 128, "level": 0, "plain": 0})
    with pytest.raises(ValueError, match=r"level: -17 does not fit 5 bits"):
        pack(FLAGS, (0, 0, -17, 0))
    with pytest.raises(TypeError, match="bool takes True or False"):
        pack(FLAGS, (2, 0, 0, 0))
    wrong = np.zeros(2, decoded_dtype(FLAGS))
    wrong["kind"] = 128
    with pytest.raises(ValueError, match="7 bits hold 0 to 127"):
        encoded(FLAGS, wrong)
    with pytest.raises(TypeError, match="Flags has bit-fields, which numpy cannot show in place"):
        Half(FLAGS, FLAGS.size, "value").need_view()


@pytest.mark.parametrize("width", [0, 65])
def test_a_bit_field_has_a_width(width: int) -> None:
    with pytest.raises(PyebpfError, match=r"a bit-field has 1 to 64 bits"):
        bits(width)


def test_a_bit_field_is_a_number_with_as_many_bits() -> None:
    with pytest.raises(PyebpfError, match=r"Wide\.x: bits\(9\) of u8 has 8"):

        @record
        class Wide:
            x: u8 = bits(9)

    with pytest.raises(PyebpfError, match=r"Twice\.x: bits\(2\) of bool has 1"):

        @record
        class Twice:
            x: bool = bits(2)

    with pytest.raises(PyebpfError, match=r"Odd\.x: bits\(2\) of Flags is no number"):

        @record
        class Odd:
            x: Flags = bits(2)


def test_the_first_value_of_a_global() -> None:
    start = Global[Flags]({"seen": True, "kind": 5, "level": -1, "plain": 7})
    assert start.spec("start", 1).initial == pack(FLAGS, (True, 5, -1, 7))
    with pytest.raises(PyebpfError, match="128 is no initial value for 7 bits of u32"):
        Global[Flags]({"seen": True, "kind": 128, "level": -1, "plain": 7}).spec("start", 1)
