"""The functions of Go programs, which their runtime knows: also of those that were stripped.

A panic prints names, so the table of them cannot be stripped. Formats since Go 1.16 are read.

Source: ``pcHeader``, ``_func`` and ``moduledata`` of ``src/runtime`` of Go (``symtab.go``,
``runtime2.go``), as of Go 1.16, 1.18, 1.20 and 1.26.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from struct import error as StructError  # noqa: N812 - a class

from pyebpf.runtime.elf_file import STB_GLOBAL, STT_FUNC, SYMBOL
from pyebpf.runtime.image import Function, Image

_SECTIONS = (".gopclntab", ".data.rel.ro.gopclntab")
# magic, zeros, quantum of instructions, bytes of a pointer | functions, files
_HEAD = Struct("<IHBBQQ")
_MAGIC_1_16 = 0xFFFFFFFA
#: The formats of Go 1.18 and 1.20: addresses count from where the text of Go begins.
_RELATIVE = (0xFFFFFFF0, 0xFFFFFFF1)
_WORD, _RELA = Struct("<Q"), Struct("<QQq")
_NAMES, _FUNCTIONS = 0, 4  # which of the five offsets that end the header
_SHT_RELA = 4
#: Where ``text`` is in ``moduledata``, which has a section of its own since Go 1.26.
_MODULE, _TEXT = ".go.module", 176


class GoFunctions:
    """The functions that the runtime of a Go program knows, as :class:`Image` gives others.

    Attributes:
        names: texts with a NUL behind each.
        rows: where each function begins, where it ends, and where in ``names`` it is called.
    """

    def __init__(self, names: bytes, rows: list[tuple[int, int, int]]) -> None:
        self.names, self.rows = names, rows

    def functions(self, begin: str = "") -> Iterator[Function]:
        """Yield each function whose name begins like this."""
        first = begin.encode()
        for start, end, at in self.rows:
            if self.names.startswith(first, at):
                name = self.names[at : self.names.find(b"\0", at)].decode("utf-8", "replace")
                yield Function(name, "", False, STT_FUNC, False, start, end - start)

    def symbols(self) -> bytes:
        """Return them as a table of symbols, whose names are in :attr:`names`."""
        kind = STB_GLOBAL << 4 | STT_FUNC
        rows = (SYMBOL.pack(at, kind, 0, 1, start, end - start) for start, end, at in self.rows)
        return b"".join(rows)

    def functions_named(self, name: str) -> Iterator[Function]:
        """Yield the functions of a name; of assembly there may be two, one for each convention."""
        return (function for function in self.functions(f"{name}\0"))


def go_functions(image: Image) -> GoFunctions | None:
    """Return what a Go program knows of its functions; None if it is none, or of another format."""
    for name in _SECTIONS:
        table, address = image.section(name), image.section_address(name)
        if table and address:
            try:
                return _read(image, table, address)
            except (StructError, ValueError):
                return None
    return None


def _read(image: Image, table: bytes, address: int) -> GoFunctions | None:
    magic, _, _, width, count, _ = _HEAD.unpack_from(table)
    if magic not in (_MAGIC_1_16, *_RELATIVE) or width != _WORD.size:
        return None
    at, text = _HEAD.size, 0
    if magic in _RELATIVE:
        text = _text(image, address + at, _WORD.unpack_from(table, at)[0])
        at += _WORD.size
    offsets = Struct("<5Q").unpack_from(table, at)
    names, functions = table[offsets[_NAMES] :], table[offsets[_FUNCTIONS] :]
    # A row for each: where it begins, and where more about it is; then where the last one ends.
    row, number = (Struct("<II"), "<I") if magic in _RELATIVE else (Struct("<QQ"), "<Q")
    listed = list(row.iter_unpack(functions[: count * row.size]))
    if len(listed) != count:
        raise ValueError("the list ends early")
    starts = [start for start, _ in listed]
    ends = [*starts[1:], Struct(number).unpack_from(functions, count * row.size)[0]]
    called = Struct(f"{number}I")  # `_func` begins with where it begins, and its name
    rows = [
        (text + start, text + end, called.unpack_from(functions, more)[1])
        for (start, more), end in zip(listed, ends, strict=True)
    ]
    return GoFunctions(names, rows)


def _text(image: Image, place: int, told: int) -> int:
    """Return where the text of Go begins.

    Args:
        image: the program.
        place: the address of the word that says it.
        told: what is there; 0 where the loader writes it, and since Go 1.26.
    """
    module = image.section_address(_MODULE)
    if not told and module:
        place = module + _TEXT
        (told,) = _WORD.unpack_from(image.section(_MODULE) or b"", _TEXT)
    return told or _relocated(image, place) or image.section_address(".text") or 0


def _relocated(image: Image, place: int) -> int:
    """Return what the loader writes at an address of a program that may lie anywhere, or 0."""
    for section in image.sections:
        if section.kind == _SHT_RELA:
            data = image.section(section.name) or b""
            for at, _, addend in _RELA.iter_unpack(data[: len(data) // _RELA.size * _RELA.size]):
                if at == place:
                    return int(addend)
    return 0
