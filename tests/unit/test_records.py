"""Records: a class with annotations becomes a struct laid out as C would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyebpf import Char, Ptr, chars, i8, i16, i64, record, u8, u16, u32, u64
from pyebpf.errors import PyebpfError
from pyebpf.kernel import task_struct
from pyebpf.spec.dtype import numpy_dtype
from pyebpf.spec.types import BOOL, U32, U64, Address, Chars, Record


def layout(cls: Any) -> Record:
    made: Record = cls.__pyebpf_record__
    return made


def test_fields_are_laid_out_as_c_does() -> None:
    @record
    class Mixed:
        a: u8
        b: u32
        c: i16
        d: bool
        e: Char = chars(5)
        f: Ptr[task_struct]
        g: i8

    made = layout(Mixed)
    c_like = np.dtype(
        {"names": list("abcdefg"), "formats": ["u1", "u4", "i2", "u1", "S5", "u8", "i1"]},
        align=True,
    )
    assert [(f.name, f.offset) for f in made.fields] == [
        (name, c_like.fields[name][1]) for name in c_like.names
    ]
    assert (made.size, made.align, made.name) == (c_like.itemsize, 8, "Mixed")
    assert made.fields[4].type == Chars(5)
    assert made.fields[3].type == BOOL
    assert made.fields[5].type == Address("task_struct")
    assert numpy_dtype(made).itemsize == c_like.itemsize


def test_records_and_tuples_nest() -> None:
    @record
    class Inner:
        x: u8
        y: u64

    @record
    class Outer:
        inner: Inner
        pair: tuple[u32, u16]

    inner, pair = layout(Outer).fields
    assert inner.type == layout(Inner)
    assert isinstance(pair.type, Record)
    assert pair.type.is_tuple
    assert pair.type.fields[0].type == U32
    assert (pair.offset, layout(Outer).size) == (16, 24)


def test_types_of_the_enclosing_function_are_found() -> None:
    alias = u64

    @record
    class Local:
        x: alias  # type: ignore[valid-type]

    assert layout(Local).fields[0].type == U64


def bad_int() -> None:
    @record
    class Bad:
        x: int


def bad_text() -> None:
    @record
    class Bad:
        name: Char


def bad_empty() -> None:
    @record
    class Bad:
        pass


def bad_size() -> None:
    chars(0)


NO_TYPE = (
    "Bad.x: <class 'int'> is no type for a record; "
    "use u8 … i64, bool, Char, Ptr[…], FixedArray[…], a tuple of these, or another record"
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bad_int, NO_TYPE),
        (bad_text, "Bad.name: write `name: Char = chars(16)`"),
        (bad_empty, "Bad has no fields: a record needs at least one"),
        (bad_size, "chars(0): a text field needs at least 1 byte"),
    ],
)  # fmt: skip
def test_what_is_no_record(make: Any, message: str) -> None:
    with pytest.raises(PyebpfError) as refusal:
        make()
    assert str(refusal.value) == message


def test_a_record_is_made_in_a_probe_only() -> None:
    @record
    class Row:
        n: i64

    with pytest.raises(PyebpfError, match=r"Row\(\.\.\.\) makes a record in a probe only"):
        Row(n=1)
