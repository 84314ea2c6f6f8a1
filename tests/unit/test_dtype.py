"""Data types as dtypes, and single values to bytes and back."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf.spec.dtype import numpy_dtype, pack, padding, python_values, unpack
from pyebpf.spec.types import (
    BOOL,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Address,
    Array,
    Chars,
    DataType,
    Field,
    Int,
    Record,
    record,
)  # fmt: skip

OPENED = record("Opened", [("pid", U32), ("at", U64), ("comm", Chars(6)), ("ok", BOOL)])
PAIR = record("pair", [("_0", U8), ("_1", I64)], is_tuple=True)
INTS: list[Int] = [U8, U16, U32, U64, I8, I16, I32, I64]


def kinds() -> st.SearchStrategy[DataType]:
    leaves = st.sampled_from([*INTS, BOOL, Chars(5), Address("file")])

    def nest(inner: st.SearchStrategy[DataType]) -> st.SearchStrategy[DataType]:
        members = st.lists(inner, min_size=1, max_size=4)
        named = members.map(lambda all_: record("r", [(f"f{n}", k) for n, k in enumerate(all_)]))
        tuples = members.map(
            lambda all_: record("t", [(f"_{n}", k) for n, k in enumerate(all_)], is_tuple=True)
        )
        return st.builds(Array, inner, st.integers(1, 3)) | named | tuples

    return st.recursive(leaves, nest, max_leaves=6)


def values(kind: DataType) -> st.SearchStrategy[Any]:
    match kind:
        case Int():
            return st.integers(kind.low, kind.high)
        case Address():
            return st.integers(0, 2**64 - 1)
        case Chars():
            text = st.binary(max_size=kind.length).filter(lambda b: b"\0" not in b)
            return text.map(lambda b: b.decode("utf-8", "surrogateescape"))
        case Array():
            return st.tuples(*[values(kind.element)] * kind.length)
        case Record():
            if kind.is_tuple:
                return st.tuples(*(values(f.type) for f in kind.fields))
            return st.fixed_dictionaries({f.name: values(f.type) for f in kind.fields})
        case _:
            return st.booleans()


@given(st.data())
def test_what_is_packed_comes_back(data: st.DataObject) -> None:
    kind = data.draw(kinds())
    items = data.draw(st.lists(values(kind), min_size=1, max_size=3))
    packed = [pack(kind, item) for item in items]
    assert [len(one) for one in packed] == [kind.size] * len(items)
    assert [unpack(kind, one) for one in packed] == items
    dtype = numpy_dtype(kind)
    assert dtype.itemsize == kind.size
    array = np.frombuffer(b"".join(packed), dtype.base).reshape(-1, *dtype.shape)
    assert python_values(kind, array) == items


def test_dtypes_have_the_offsets_of_c() -> None:
    dtype = numpy_dtype(OPENED)
    assert dtype.fields is not None
    assert {name: field[1] for name, field in dtype.fields.items()} == {
        "pid": 0, "at": 8, "comm": 16, "ok": 22,
    }  # fmt: skip
    assert dtype.itemsize == 24
    packed = Record("packed", (Field("a", U8, 0), Field("b", U32, 1)), 5, 1)
    assert numpy_dtype(packed).itemsize == 5
    assert numpy_dtype(Address("request")) == np.uint64
    assert numpy_dtype(Chars(7)) == np.dtype("S7")
    assert np.empty(4, numpy_dtype(Array(U16, 3))).shape == (4, 3)


@pytest.mark.parametrize("kind", INTS, ids=str)
def test_integers_keep_to_their_range(kind: Int) -> None:
    for value in (kind.low, kind.high):
        assert unpack(kind, pack(kind, value)) == value
    for value in (kind.low - 1, kind.high + 1):
        allowed = f"key: {value} does not fit {kind}, which holds {kind.low} to {kind.high}"
        with pytest.raises(ValueError, match=allowed):
            pack(kind, value, "key")


def test_padding_is_zero() -> None:
    assert pack(PAIR, (255, -1)) == b"\xff" + bytes(7) + b"\xff" * 8
    assert pack(Chars(4), "a") == b"a\0\0\0"


def test_numpy_scalars_are_integers_too() -> None:
    assert pack(U16, np.int64(258)) == b"\x02\x01"
    assert pack(BOOL, np.True_) == b"\1"
    row = np.zeros(1, numpy_dtype(OPENED))
    row["pid"], row["comm"] = 7, b"sh"
    assert unpack(OPENED, pack(OPENED, row[0])) == {"pid": 7, "at": 0, "comm": "sh", "ok": False}


def test_records_are_taken_apart_however_they_come() -> None:
    fields = {"pid": 7, "at": 9, "comm": "sh", "ok": True}
    packed = pack(OPENED, fields)
    assert pack(OPENED, tuple(fields.values())) == packed
    assert pack(OPENED, SimpleNamespace(**fields)) == packed
    assert pack(OPENED, unpack(OPENED, packed)) == packed


@pytest.mark.parametrize(
    ("kind", "value", "error", "said"),
    [
        (U32, 1.5, TypeError, "key: u32 takes an integer, not float 1.5"),
        (U32, "1", TypeError, "takes an integer, not str '1'"),
        (Address("file"), -1, ValueError, r"does not fit Ptr\[file\], which holds 0 to 18446"),
        (BOOL, 2, TypeError, "takes True or False, not int 2"),
        (Chars(3), "four", ValueError, r"4 bytes do not fit char\[3\]: b'four'"),
        (Chars(3), 5, TypeError, "takes str or bytes"),
        (Array(U8, 2), [1], ValueError, r"u8\[2\] takes 2 elements, not 1"),
        (Array(U8, 2), 1, TypeError, "takes a sequence"),
        (Array(U8, 2), [1, 256], ValueError, r"key\[1\]: 256 does not fit u8"),
        (PAIR, (1, 2, 3), ValueError, r"\(u8, i64\) takes 2 fields, not 3"),
        (PAIR, 1, TypeError, "takes a tuple, not int 1"),
        (PAIR, (1, 2**63), ValueError, r"key\._1: .* does not fit i64"),
        (
            OPENED,
            {"pid": 1, "at": 2, "name": ""},
            ValueError,
            "lacks comm, ok and has no field name",
        ),
        (OPENED, 3, TypeError, "a tuple, a mapping or an object with its fields"),
    ],
)
def test_what_does_not_fit_says_where_and_why(
    kind: DataType, value: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        pack(kind, value, "key")


def test_text_ends_at_its_nul_and_keeps_odd_bytes() -> None:
    assert unpack(Chars(6), b"sh\0old") == "sh"
    odd = unpack(Chars(3), b"\xff\x1bz")
    assert pack(Chars(3), odd) == b"\xff\x1bz"


def test_unpacking_the_wrong_size_is_refused() -> None:
    with pytest.raises(ValueError, match="u32 takes 4 bytes, not 3"):
        unpack(U32, b"abc")


def test_a_record_value_is_a_key() -> None:
    one = unpack(OPENED, pack(OPENED, (1, 2, "a", True)))
    two = unpack(OPENED, pack(OPENED, (2, 0, "a", True)))
    assert (one.pid, one["at"], dict(one)["comm"]) == (1, 2, "a")
    assert repr(one) == "Opened(pid=1, at=2, comm='a', ok=True)"
    assert {one: 5}[copy.deepcopy(one)] == 5
    assert pickle.loads(pickle.dumps(one)) == one
    assert sorted([two, one]) == [one, two]
    with pytest.raises(AttributeError, match="no field 'tid'; its fields are pid, at, comm, ok"):
        _ = one.tid


def test_tuples_in_an_array_in_a_record_are_tuples() -> None:
    pair = record("t", [("_0", U8)], is_tuple=True)
    kind = record("r", [("f0", Array(pair, 1))])
    assert unpack(kind, pack(kind, {"f0": ((7,),)})) == {"f0": ((7,),)}


def test_bytes_that_belong_to_no_field_are_known() -> None:
    inner = record("inner", [("a", U8), ("b", U32)])
    outer = record("outer", [("x", Array(inner, 2)), ("y", U64), ("z", U8)])
    hole = [False, True, True, True, False, False, False, False]
    assert padding(numpy_dtype(outer)).tolist() == hole * 2 + [False] * 9 + [True] * 7
    assert not padding(numpy_dtype(U32)).any()


def test_arrays_in_records_have_values_of_python() -> None:
    kind = record("kind", [("parts", Array(U16, 2)), ("rows", Array(Array(U8, 2), 2))])
    value = unpack(kind, bytes(range(8)))
    assert value == {"parts": (0x0100, 0x0302), "rows": ((4, 5), (6, 7))}
    assert {type(item) for item in (*value.parts, *value.rows[0])} == {int}
