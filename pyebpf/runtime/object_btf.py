"""An object's own BTF, brought into the form that the kernel takes.

The compiler leaves two things to the loader: it does not know how long data sections are and where
their variables lie until the object is laid out, and it describes symbols that are found elsewhere
(``extern``), which the kernel does not accept. Both are edits of a few words in place. What an
older kernel does not know of BTF is another matter: ``pyebpf.btf.sanitise``.

Source: ``kernel/bpf/btf.c`` (``btf_datasec_check_meta``, ``btf_func_check_meta``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from struct import Struct

from pyebpf.btf.types import Kind
from pyebpf.errors import FormatError
from pyebpf.plain import Frozen

_HEADER = Struct("<HBBIIIII")
_TYPE = Struct("<III")
_SECVAR = Struct("<III")
_U32 = Struct("<I")
_EXTERN, _GLOBAL, _STATIC = 2, 1, 0

#: Bytes after the three words that all kinds have: (always, for each of ``vlen``).
_EXTRA = {
    Kind.INT: (4, 0), Kind.PTR: (0, 0), Kind.ARRAY: (12, 0), Kind.STRUCT: (0, 12),
    Kind.UNION: (0, 12), Kind.ENUM: (0, 8), Kind.FWD: (0, 0), Kind.TYPEDEF: (0, 0),
    Kind.VOLATILE: (0, 0), Kind.CONST: (0, 0), Kind.RESTRICT: (0, 0), Kind.FUNC: (0, 0),
    Kind.FUNC_PROTO: (0, 8), Kind.VAR: (4, 0), Kind.DATASEC: (0, 12), Kind.FLOAT: (0, 0),
    Kind.DECL_TAG: (4, 0), Kind.TYPE_TAG: (0, 0), Kind.ENUM64: (0, 12),
}  # fmt: skip


class _Row(Frozen):
    """One type: its id, where it starts in the data, and its first words."""

    number: int
    at: int
    name: int
    kind: Kind
    vlen: int
    word: int  # size or type


class _Editor:
    """BTF data under change. Type ids and string offsets stay what they are."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        if len(data) < _HEADER.size:
            raise FormatError(f".BTF: {len(data)} bytes are no header")
        head = _HEADER.unpack_from(data)
        self._head = head[3]
        self.start, self.types = head[3] + head[4], head[5]
        self.strings = head[3] + head[6]
        if self.start + self.types > len(data) or self.strings + head[7] > len(data):
            raise FormatError(f".BTF: its parts reach past its {len(data)} bytes")
        self.rows = self._walk()

    def _walk(self) -> list[_Row]:
        rows: list[_Row] = []
        at, end = self.start, self.start + self.types
        while at < end:
            if at + _TYPE.size > end:
                raise FormatError(f".BTF: type {len(rows) + 1} is cut off")
            name, info, word = _TYPE.unpack_from(self.data, at)
            kind, vlen = info >> 24 & 31, info & 0xFFFF
            if kind not in _EXTRA:
                raise FormatError(f".BTF: type {len(rows) + 1} is of unknown kind {kind}")
            rows.append(_Row(len(rows) + 1, at, name, Kind(kind), vlen, word))
            always, each = _EXTRA[Kind(kind)]
            at += _TYPE.size + always + each * vlen
        if at != end:
            raise FormatError(f".BTF: type {len(rows)} is cut off")
        return rows

    def name(self, row: _Row) -> str:
        start = self.strings + row.name
        end = self.data.find(b"\0", start)
        return self.data[start : max(end, start)].decode("utf-8", "surrogateescape")

    def word(self, at: int, value: int) -> None:
        _U32.pack_into(self.data, at, value)

    def variables(self, section: _Row) -> list[tuple[int, int, int]]:
        start = section.at + _TYPE.size
        return list(_SECVAR.iter_unpack(self.data[start : start + section.vlen * _SECVAR.size]))

    def set_variables(self, section: _Row, rows: list[tuple[int, int, int]]) -> None:
        start = section.at + _TYPE.size
        for at, row in enumerate(rows):
            _SECVAR.pack_into(self.data, start + at * _SECVAR.size, *row)

    def append(self, name: int, kind: Kind, word: int, extra: int) -> int:
        """Add a type with one more word than the three; return its id."""
        row = _TYPE.pack(name, kind << 24, word) + _U32.pack(extra)
        end = self.start + self.types
        if self.strings < end:
            raise FormatError(".BTF: strings before types")
        self.rows.append(_Row(len(self.rows) + 1, end, name, kind, 0, word))
        self.data[end:end] = row
        self.types += len(row)
        self.strings += len(row)
        self.word(12, self.types)
        self.word(16, self.strings - self._head)
        return len(self.rows)


def lay_out(data: bytes, sizes: Mapping[str, int], hidden: Collection[str]) -> bytes:
    """Give data sections their size, sort their variables, make hidden functions static.

    A function that is hidden from other objects need not be verified on its own, for any argument,
    as the kernel verifies global ones.

    Args:
        data: BTF with the relocations of ``.rel.BTF`` applied.
        sizes: ELF section sizes in bytes, by name.
        hidden: global functions with hidden visibility.

    Raises:
        FormatError: the data is no BTF.
    """
    edit = _Editor(data)
    for row in edit.rows:
        if row.kind is Kind.DATASEC:
            size = sizes.get(edit.name(row), 0)
            if not row.word and 0 < size < 1 << 32:
                edit.word(row.at + 8, size)
            edit.set_variables(row, sorted(edit.variables(row), key=_offset))
        elif row.kind is Kind.FUNC and row.vlen == _GLOBAL and edit.name(row) in hidden:
            edit.word(row.at + 4, Kind.FUNC << 24 | _STATIC)
    return bytes(edit.data)


def _offset(variable: tuple[int, int, int]) -> int:
    return variable[1]


def without_externs(data: bytes) -> bytes:
    """Describe ``extern`` symbols as something that the kernel accepts.

    A function becomes a typedef of its prototype, a variable an ``int``, and their sections a row
    of
    ints: nothing refers to them once the instructions are linked.
    """
    edit = _Editor(data)
    functions = {r.number: r for r in edit.rows if r.kind is Kind.FUNC and r.vlen == _EXTERN}
    variables = {r.number: r for r in edit.rows if r.kind is Kind.VAR and _linkage(edit, r)}
    if not functions and not variables:
        return data
    stand_in = _stand_in(edit)
    for row in functions.values():
        edit.word(row.at + 4, Kind.TYPEDEF << 24)
    for row in variables.values():
        edit.word(row.at + 8, stand_in.integer)
        edit.word(row.at + 12, _GLOBAL)
    for row in list(edit.rows):
        if row.kind is Kind.DATASEC:
            _replace_externs(edit, row, {*functions}, {*variables}, stand_in.variable)
    return bytes(edit.data)


def _linkage(edit: _Editor, row: _Row) -> bool:
    linkage: int = _U32.unpack_from(edit.data, row.at + 12)[0]
    return linkage == _EXTERN


class _StandIn(Frozen):
    integer: int
    variable: Callable[[], int]


def _stand_in(edit: _Editor) -> _StandIn:
    """Find or make an int, and make a variable of it when one is asked for."""
    found = next((r for r in edit.rows if r.kind is Kind.INT and r.word == 4), None)
    if found is None:
        name = next((r.name for r in edit.rows if r.kind in (Kind.FUNC, Kind.VAR)), 0)
        number = edit.append(name, Kind.INT, 4, 32)
        found = edit.rows[number - 1]
    made: list[int] = []

    def variable() -> int:
        if not made:
            made.append(edit.append(found.name, Kind.VAR, found.number, _GLOBAL))
        return made[0]

    return _StandIn(found.number, variable)


def _replace_externs(
    edit: _Editor,
    section: _Row,
    functions: set[int],
    variables: set[int],
    stand_in: Callable[[], int],
) -> None:
    rows = edit.variables(section)
    if not any(number in functions or number in variables for number, _, _ in rows):
        return
    numbers = [stand_in() if number in functions else number for number, _, _ in rows]
    edit.set_variables(section, [(number, 4 * i, 4) for i, number in enumerate(numbers)])
    edit.word(section.at + 8, 4 * len(numbers))
