"""Sizes, offsets and spellings, on types whose layout C fixes."""

from __future__ import annotations

import pytest

from pyebpf.btf import Btf
from pyebpf.btf import types as t
from pyebpf.btf.layout import (
    FieldPath,
    align_of,
    c_name,
    field_names,
    find_member,
    is_pointer,
    is_signed,
    members,
    pointee,
    resolve_path,
    size_of,
    tags,
)
from pyebpf.btf.write import Builder
from pyebpf.errors import FormatError

b = Builder()
INT = b.add_int("int", 4, signed=True)
CHAR = b.add_int("char", 1, encoding=t.CHAR)
LONG = b.add_int("long unsigned int", 8)
WIDE = b.add_int("__int128", 16, signed=True)
SIZE = b.add_typedef("size_t", LONG)
TEXT = b.add_array(CHAR, 16, INT)
GRID = b.add_array(b.add_array(INT, 3), 2)
INNER = b.add_struct("", 8, [("a", INT, 0), ("b", INT, 32)])
EITHER = b.add_union("", 8, [("", INNER, 0), ("both", LONG, 0)])
POINT = b.add_struct("point", 8, [("x", INT, 0), ("y", INT, 32)])
FILE = b.add_struct(
    "file", 64,
    [("count", INT, 0), ("", EITHER, 64), ("name", TEXT, 128), ("at", POINT, 256),
     ("flag", INT, 320, 3), ("grid", GRID, 320 + 32)],
)  # fmt: skip
PACKED = b.add_struct("packed", 5, [("c", CHAR, 0), ("i", INT, 8)])
ODD = b.add_struct("odd", 6, [("i", INT, 0), ("c", CHAR, 32)])
STATE = b.add_enum("state", {"A": -1}, signed=True)
WIDE_STATE = b.add_enum("wide", {"A": 1}, size=8)
FILE_P = b.add_ptr(FILE)
CONST_FILE_P = b.add_ptr(b.add(t.Const(FILE)))
CONST_P = b.add(t.Const(FILE_P))
USER_TEXT = b.add_ptr(b.add(t.TypeTag("user", b.add(t.Const(CHAR)))))
TEXT_P = b.add_ptr(TEXT)
POINTERS = b.add_array(FILE_P, 4)
CALL = b.add_proto(INT, [("f", FILE_P), ("n", SIZE), ("", 0)])
CALL_P = b.add_ptr(CALL)
TABLE = b.add_array(CALL_P, 2)
RETURNS = b.add_ptr(b.add_proto(b.add_ptr(b.add_proto(0)), [("n", INT)]))
FWD = b.add(t.Fwd("later", is_union=True))
FUNC = b.add_func("open", CALL)
VAR = b.add(t.Var("jiffies", b.add(t.Volatile(LONG)), 1))
FLEX = b.add_struct("flex", 4, [("n", INT, 0), ("data", b.add_array(CHAR, 0), 32)])
DOUBLE = b.add(t.Float("double", 8))
RESTRICTED = b.add(t.Restrict(b.add_ptr(CHAR)))
BTF = b.build()


@pytest.mark.parametrize(
    ("type_id", "size", "align"),
    [
        (INT, 4, 4), (CHAR, 1, 1), (SIZE, 8, 8), (WIDE, 16, 8), (TEXT, 16, 1), (GRID, 24, 4),
        (FILE, 64, 8), (PACKED, 5, 1), (ODD, 6, 1), (STATE, 4, 4), (WIDE_STATE, 8, 8),
        (FILE_P, 8, 8), (CONST_P, 8, 8), (POINTERS, 32, 8), (VAR, 8, 8), (FLEX, 4, 4),
        (DOUBLE, 8, 8),
    ],
)  # fmt: skip
def test_size_and_alignment(type_id: int, size: int, align: int) -> None:
    assert (size_of(BTF, type_id), align_of(BTF, type_id)) == (size, align)


@pytest.mark.parametrize("type_id", [0, CALL, FWD, FUNC])
def test_some_types_have_no_size(type_id: int) -> None:
    with pytest.raises(FormatError, match="has no size"):
        size_of(BTF, type_id)


@pytest.mark.parametrize(
    ("type_id", "text"),
    [
        (0, "void"), (INT, "int"), (SIZE, "size_t"), (TEXT, "char[16]"), (GRID, "int[2][3]"),
        (FILE, "struct file"), (EITHER, "union {...}"), (STATE, "enum state"),
        (WIDE_STATE, "enum wide"), (FILE_P, "struct file *"),
        (CONST_FILE_P, "const struct file *"), (CONST_P, "struct file * const"),
        (USER_TEXT, "const char *"), (TEXT_P, "char (*)[16]"), (POINTERS, "struct file *[4]"),
        (CALL, "int (struct file *, size_t, ...)"),
        (CALL_P, "int (*)(struct file *, size_t, ...)"),
        (TABLE, "int (*[2])(struct file *, size_t, ...)"),
        (RETURNS, "void (*(*)(int))(void)"), (FWD, "union later"),
        (FUNC, "int (struct file *, size_t, ...)"), (VAR, "volatile long unsigned int"),
        (DOUBLE, "double"), (RESTRICTED, "char * restrict"),
    ],
)  # fmt: skip
def test_types_are_spelled_as_in_c(type_id: int, text: str) -> None:
    assert c_name(BTF, type_id) == text


def test_an_endless_type_has_a_name() -> None:
    endless = Builder()
    endless.add_ptr(1)
    assert "..." in c_name(endless.build(), 1)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("count", FieldPath((0,), 0, 0, INT)),
        ("b", FieldPath((1, 0, 1), 96, 0, INT)),
        ("both", FieldPath((1, 1), 64, 0, LONG)),
        ("flag", FieldPath((4,), 320, 3, INT)),
        ("x", None),
        ("", None),
    ],
)
def test_members_are_found(name: str, path: FieldPath | None) -> None:
    assert find_member(BTF, FILE, name) == path


def test_the_access_of_a_path() -> None:
    path = find_member(BTF, FILE, "b")
    assert path is not None
    assert (path.access, path.offset) == ("0:1:0:1", 12)
    assert field_names(BTF, FILE) == ["count", "a", "b", "both", "name", "at", "flag", "grid"]
    assert [m.name for m in members(BTF, POINT)] == ["x", "y"]


def test_paths() -> None:
    assert resolve_path(BTF, FILE, "at.y") == FieldPath((3, 1), 288, 0, INT)
    assert resolve_path(BTF, FILE, ["name", 3]) == FieldPath((2, 3), 152, 0, CHAR)
    assert resolve_path(BTF, FILE, ["grid", 1, 2]).bit_offset == 352 + 5 * 32
    assert resolve_path(BTF, FLEX, ["data", 100]).offset == 104
    with pytest.raises(KeyError, match="z"):
        resolve_path(BTF, FILE, "at.z")
    with pytest.raises(IndexError, match="16"):
        resolve_path(BTF, FILE, ["name", 16])
    with pytest.raises(FormatError, match="no array"):
        resolve_path(BTF, FILE, ["count", 0])
    with pytest.raises(FormatError, match="no struct"):
        resolve_path(BTF, FILE, "count.x")


def test_pointers_and_signs() -> None:
    assert pointee(BTF, CONST_P) == FILE
    assert pointee(BTF, INT) is None
    assert [is_pointer(BTF, i) for i in (CONST_P, TEXT, INT)] == [True, False, False]
    assert [is_signed(BTF, i) for i in (INT, SIZE, STATE, WIDE_STATE, FILE_P)] == [
        True, False, True, False, False,
    ]  # fmt: skip
    assert tags(BTF, USER_TEXT) == {"user"}
    assert tags(BTF, FILE_P) == tags(BTF, INT) == set()


def test_a_struct_inside_itself_ends() -> None:
    loop = Builder()
    loop.add_struct("s", 8, [("", 1, 0), ("", 1, 0), ("x", 1, 0)])
    btf: Btf = loop.build()
    assert find_member(btf, 1, "nothing") is None
    assert field_names(btf, 1) == ["x"]
    with pytest.raises(FormatError, match="contains itself"):
        align_of(btf, 1)
