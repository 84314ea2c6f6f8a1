"""Columns as Arrow arrays: the structures of its C data interface, in capsules.

Pyarrow, polars, pandas and DuckDB read these without another copy, and we import none of them.

A consumer *moves* what it takes: it copies the structure, children included, and marks ours as
released; later, from any thread, it calls ``release`` on its copy. So what a structure points to is
kept under a number in the structure itself, and given up when that is released.

Source: https://arrow.apache.org/docs/format/CDataInterface.html, CStreamInterface.html,
CDataInterface/PyCapsuleInterface.html.
"""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

import numpy as np

from pyebpf.present.columns import Blobs, Column, Lists, Numbers, Structs, Texts, format_of

_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_NEXT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_ERROR = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
_EIO = 5
# Of our own: whoever sets types on ``ctypes.pythonapi.X`` does so for the whole process.
_API = ctypes.pythonapi
_increment = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("Py_IncRef", _API))
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", _API)
)
# A capsule that is being freed has no references left: it must not become a Python object again.
_name_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(("PyCapsule_GetName", _API))
_pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(
    ("PyCapsule_GetPointer", _API)
)
#: Beyond that many bytes of text, offsets have 64 bits.
_SMALL = (1 << 31) - 1


class ArrowSchema(ctypes.Structure):
    """``struct ArrowSchema``."""

    _fields_ = (
        ("format", ctypes.c_void_p),
        ("name", ctypes.c_void_p),
        ("metadata", ctypes.c_void_p),
        ("flags", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


class ArrowArray(ctypes.Structure):
    """``struct ArrowArray``."""

    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.c_void_p),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


class ArrowArrayStream(ctypes.Structure):
    """``struct ArrowArrayStream``."""

    _fields_ = (
        ("get_schema", ctypes.c_void_p),
        ("get_next", ctypes.c_void_p),
        ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


#: What live structures point to, by their ``private_data``.
_kept: dict[int, Any] = {}
_numbers = itertools.count(1)


def schema_capsule(column: Column) -> Any:
    """Return the type of a column as a capsule called ``arrow_schema``."""
    return _capsule(_schema(column), b"arrow_schema")


def array_capsule(column: Column) -> Any:
    """Return a column as a capsule called ``arrow_array``. The memory is the column's."""
    return _capsule(_array(column), b"arrow_array")


def stream_capsule(column: Column) -> Any:
    """Return a stream of one batch as a capsule called ``arrow_array_stream``."""
    stream = ArrowArrayStream(*_STREAM, _keep([column, column]))
    return _capsule(stream, b"arrow_array_stream")


def _keep(what: Any) -> int:
    number = next(_numbers)
    _kept[number] = what
    return number


def _schema(column: Column) -> ArrowSchema:
    children = [_schema(child) for child in _children(column)]
    pointers = _pointers(children)
    words = [ctypes.create_string_buffer(text.encode()) for text in (_format(column), column.name)]
    made = ArrowSchema(*map(ctypes.addressof, words))
    made.n_children, made.children = len(children), ctypes.addressof(pointers)
    made.private_data = _keep((children, pointers, words))
    made.release = _release_schema
    return made


def _array(column: Column) -> ArrowArray:
    children = [_array(child) for child in _children(column)]
    pointers = _pointers(children)
    memory = _buffers(column)
    # Arrow has a bitmap of what is missing in front; nothing is.
    places = (ctypes.c_void_p * (1 + len(memory)))(None, *(each.ctypes.data for each in memory))
    made = ArrowArray(len(column))
    made.n_buffers, made.buffers = len(places), ctypes.addressof(places)
    made.n_children, made.children = len(children), ctypes.addressof(pointers)
    made.private_data = _keep((children, pointers, memory, places))
    made.release = _release_array
    return made


def _pointers(children: list[Any]) -> Any:
    return (ctypes.c_void_p * max(1, len(children)))(*map(ctypes.addressof, children))


def _children(column: Column) -> tuple[Column, ...]:
    match column:
        case Lists():
            return (column.items,)
        case Structs():
            return column.fields
    return ()


def _format(column: Column) -> str:
    match column:
        case Numbers():
            return format_of(column.values.dtype)
        case Texts():
            return "u" if column.offsets[-1] <= _SMALL else "U"
        case Blobs():
            return f"w:{column.values.shape[1]}"
        case Lists():
            return f"+w:{column.length}"
        case Structs():
            return "+s"


def _buffers(column: Column) -> tuple[Any, ...]:
    match column:
        case Numbers() if column.values.dtype.kind == "b":
            return (np.packbits(column.values, bitorder="little"),)
        case Numbers() | Blobs():
            return (column.values,)
        case Texts():
            wide = np.int32 if column.offsets[-1] <= _SMALL else np.int64
            return column.offsets.astype(wide), column.data
    return ()


def _released(kind: type[Any]) -> int:
    """Return the address of what gives a structure up, and the parts that were not moved."""

    def release(address: int) -> None:
        structure = kind.from_address(address)
        children = ctypes.cast(structure.children, ctypes.POINTER(ctypes.c_void_p))
        for index in range(structure.n_children):
            _give_up(kind, children[index])
        structure.release = None
        _kept.pop(structure.private_data, None)

    return _immortal(_RELEASE(release))


def _give_up(kind: type[Any], address: int | None) -> None:
    """Release a structure unless somebody has."""
    if address and kind.from_address(address).release:
        _RELEASE(kind.from_address(address).release)(address)


def _immortal(function: Any) -> int:
    # A consumer may release after Python has begun to clear its modules.
    _increment(function)
    return ctypes.cast(function, ctypes.c_void_p).value or 0


_release_schema, _release_array = _released(ArrowSchema), _released(ArrowArray)


def _moved(structure: ctypes.Structure, to: int) -> None:
    ctypes.memmove(to, ctypes.addressof(structure), ctypes.sizeof(structure))


def _get_schema(address: int, out: int) -> int:
    try:
        column, _ = _kept[ArrowArrayStream.from_address(address).private_data]
        _moved(_schema(column), out)
    except Exception:  # noqa: BLE001 - there is no caller in Python whom it could reach
        return _EIO
    return 0


def _get_next(address: int, out: int) -> int:
    try:
        kept = _kept[ArrowArrayStream.from_address(address).private_data]
        column, kept[1] = kept[1], None
        # A released structure says that there are no more.
        _moved(ArrowArray() if column is None else _array(column), out)
    except Exception:  # noqa: BLE001 - there is no caller in Python whom it could reach
        return _EIO
    return 0


def _get_error(address: int) -> int | None:  # noqa: ARG001 - the interface's
    return None  # nothing fails but memory


def _release_stream(address: int) -> None:
    stream = ArrowArrayStream.from_address(address)
    stream.release = None
    _kept.pop(stream.private_data, None)


_KINDS: dict[bytes, type[Any]] = {
    b"arrow_schema": ArrowSchema,
    b"arrow_array": ArrowArray,
    b"arrow_array_stream": ArrowArrayStream,
}


def _end_capsule(capsule: int) -> None:
    name = _name_of(capsule)
    address = _pointer_of(capsule, name)
    _give_up(_KINDS[ctypes.string_at(name)], address)
    _kept.pop(-address, None)


#: What a stream begins with.
_STREAM = (
    _immortal(_NEXT(_get_schema)),
    _immortal(_NEXT(_get_next)),
    _immortal(_ERROR(_get_error)),
    _immortal(_RELEASE(_release_stream)),
)
_END = _immortal(_RELEASE(_end_capsule))


def _capsule(structure: ctypes.Structure, name: bytes) -> Any:
    """Hand a structure out; if nobody takes it, its capsule releases it."""
    address = ctypes.addressof(structure)
    text = ctypes.create_string_buffer(name)
    _kept[-address] = (structure, text)
    return _new(address, ctypes.cast(text, ctypes.c_char_p), _END)
