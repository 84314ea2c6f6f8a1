"""Debug metadata as LLVM text: files, functions, lines, and the types of our own data.

LLVM's BPF backend makes ``.BTF`` and ``.BTF.ext`` from it. The text of a source goes in with it,
but only the lines that instructions come from: nothing is read from a disk while compiling, and a
change elsewhere in the file does not change the object.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyebpf.ir.types import U64, Pointer, Space, Void
from pyebpf.spec.types import Address, Array, Bool, Chars, Int, Record

if TYPE_CHECKING:
    from pyebpf.diag import Source, Span
    from pyebpf.ir.nodes import Function
    from pyebpf.ir.types import Type
    from pyebpf.spec.types import DataType, Field

#: ``.BTF.ext`` keeps a column in ten bits and a line in the 22 bits above.
MAX_COLUMN, MAX_LINE = (1 << 10) - 1, (1 << 22) - 1
#: Version 4 keeps the DWARF sections, which nobody reads, smaller.
DWARF_VERSION = 4
_PLAIN_TEXT = re.compile(r"[ !#-\[\]-~]*")


def quote(text: str) -> str:
    """Return ``text`` as an LLVM string literal."""
    if _PLAIN_TEXT.fullmatch(text):
        return f'"{text}"'
    out = []
    for byte in text.encode("utf-8", "surrogateescape"):
        plain = 0x20 <= byte < 0x7F and byte not in b'"\\'
        out.append(chr(byte) if plain else f"\\{byte:02X}")
    return f'"{"".join(out)}"'


def identifier(text: str) -> str:
    """Return ``text`` as a name that the kernel accepts in BTF."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in text)
    return f"_{kept}" if not kept or kept[0].isdigit() else kept


class DebugInfo:
    """The numbered metadata of one module. Equal nodes are written once."""

    def __init__(self, producer: str) -> None:
        self._texts: list[str | None] = []
        self._numbers: dict[str, int] = {}
        self._files: dict[Source, int] = {}
        self._lines: dict[Source, set[int]] = {}
        self._globals: list[int] = []
        self._producer = producer
        self.unit = self.reserve()

    def add(self, text: str, *, distinct: bool = False) -> int:
        """Return the number of a node, making it if it is new."""
        if not distinct and text in self._numbers:
            return self._numbers[text]
        number = self.reserve()
        self._texts[number] = f"distinct {text}" if distinct else text
        if not distinct:
            self._numbers[text] = number
        return number

    def reserve(self) -> int:
        """Return a number whose node is given later by :meth:`define`."""
        self._texts.append(None)
        return len(self._texts) - 1

    def define(self, number: int, text: str) -> None:
        """Give a reserved node its text."""
        self._texts[number] = text

    def listing(self, numbers: list[int]) -> int:
        """Return the number of a tuple of nodes."""
        return self.add(f"!{{{', '.join(f'!{n}' for n in numbers)}}}")

    def file(self, source: Source) -> int:
        """Return the node of a source."""
        if source not in self._files:
            self._files[source] = self.reserve()
            self._lines[source] = set()
        return self._files[source]

    def location(self, span: Span, scope: int, home: Source) -> int:
        """Return the node of a place; ``home`` is the source of the function ``scope``."""
        file = self.file(span.source)
        line, column = min(span.line, MAX_LINE), min(span.column + 1, MAX_COLUMN)
        self._lines[span.source].add(line)
        if span.source != home:
            scope = self.add(
                f"!DILexicalBlockFile(scope: !{scope}, file: !{file}, discriminator: 0)"
            )
        return self.add(f"!DILocation(line: {line}, column: {column}, scope: !{scope})")

    def function(self, fn: Function) -> int:
        """Return the node of a function, with the types and names of its parameters."""
        file, number = self.file(fn.span.source), self.reserve()
        self._lines[fn.span.source].add(fn.span.line)
        types = [self.type(fn.result), *(self.type(p.type) for p in fn.params)]
        signature = ", ".join("null" if t is None else f"!{t}" for t in types)
        signature_list = self.add(f"!{{{signature}}}")
        proto = self.add(f"!DISubroutineType(types: !{signature_list})")
        params = [
            self.add(
                f"!DILocalVariable(name: {quote(identifier(param.name))}, arg: {i}, "
                f"scope: !{number}, file: !{file}, line: {fn.span.line}{_typed(types[i])})"
            )
            for i, param in enumerate(fn.params, 1)
        ]
        local = "" if fn.section else "DISPFlagLocalToUnit | "
        self.define(
            number,
            f"distinct !DISubprogram(name: {quote(fn.name)}, scope: !{file}, file: !{file}, "
            f"line: {fn.span.line}, type: !{proto}, scopeLine: {fn.span.line}, "
            f"flags: DIFlagPrototyped, spFlags: {local}DISPFlagDefinition | DISPFlagOptimized, "
            f"unit: !{self.unit}, retainedNodes: !{self.listing(params)})",
        )
        return number

    def variable(self, name: str, kind: int, *, public: bool = True) -> int:
        """Return the node of a global variable of type ``kind``."""
        var = self.add(
            f"!DIGlobalVariable(name: {quote(name)}, scope: !{self.unit}, type: !{kind}, "
            f"isLocal: {str(not public).lower()}, isDefinition: true)",
            distinct=True,
        )
        number = self.add(f"!DIGlobalVariableExpression(var: !{var}, expr: !DIExpression())")
        self._globals.append(number)
        return number

    def extern(self, name: str, kind: int) -> int:
        """Return the node of a variable that is found elsewhere."""
        var = self.add(
            f"!DIGlobalVariable(name: {quote(name)}, scope: !{self.unit}, type: !{kind}, "
            "isLocal: false, isDefinition: false)",
            distinct=True,
        )
        return self.add(f"!DIGlobalVariableExpression(var: !{var}, expr: !DIExpression())")

    def type(self, kind: Type) -> int | None:
        """Return the node of a type; None for void."""
        if isinstance(kind, Void):
            return None
        if not isinstance(kind, Pointer):
            return self.data(kind)
        # The kernel takes an array of words for the context of a tracing program.
        return self.pointer(self.data(U64) if kind.space is Space.CTX else None)

    def data(self, kind: DataType) -> int:
        """Return the node of a data type."""
        if isinstance(kind, Int):
            return self.basic(str(kind), kind.size, "signed" if kind.signed else "unsigned")
        if isinstance(kind, Bool):
            return self.basic("bool", 1, "boolean")
        if isinstance(kind, Chars):
            return self.array(self.basic("char", 1, "signed_char"), kind.size, kind.length)
        if isinstance(kind, Array):
            return self.array(self.data(kind.element), kind.size, kind.length)
        if isinstance(kind, Record):
            members = self.listing([self._field(field) for field in kind.fields])
            tag = "union" if kind.is_union else "structure"
            return self.composite(record_name(kind), kind.size, members, tag)
        assert isinstance(kind, Address)
        return self.pointer(None)

    def _field(self, field: Field) -> int:
        start, kind = field.offset * 8, self.data(field.type)
        if not field.bits:
            return self.member(field.name, kind, start, field.type.size * 8)
        extra = f", flags: DIFlagBitField, extraData: i64 {start}"
        return self.member(field.name, kind, start + field.shift, field.bits, extra)

    def basic(self, name: str, size: int, encoding: str) -> int:
        """Return the node of a number; ``encoding`` is DWARF's (``"unsigned"``)."""
        return self.add(
            f"!DIBasicType(name: {quote(name)}, size: {size * 8}, encoding: DW_ATE_{encoding})"
        )

    def pointer(self, to: int | None) -> int:
        """Return the node of a pointer."""
        base = "null" if to is None else f"!{to}"
        return self.add(f"!DIDerivedType(tag: DW_TAG_pointer_type, baseType: {base}, size: 64)")

    def array(self, element: int, size: int, count: int) -> int:
        """Return the node of an array of ``count`` elements and ``size`` bytes."""
        extent = self.listing([self.add(f"!DISubrange(count: {count})")])
        return self.add(
            f"!DICompositeType(tag: DW_TAG_array_type, baseType: !{element}, size: {size * 8}, "
            f"elements: !{extent})"
        )

    def struct(self, name: str, size: int, fields: list[tuple[str, int, int, int]]) -> int:
        """Return the node of a struct; a field is (name, type, bit offset, bits)."""
        members = self.listing([self.member(*field) for field in fields])
        return self.composite(name, size, members, "structure")

    def composite(self, name: str, size: int, members: int, tag: str) -> int:
        """Return the node of a struct or union from the list of its members."""
        title = f"name: {quote(name)}, " if name else ""
        return self.add(
            f"!DICompositeType(tag: DW_TAG_{tag}_type, {title}size: {size * 8}, "
            f"elements: !{members})"
        )

    def member(self, name: str, kind: int, offset: int, bits: int, extra: str = "") -> int:
        """Return the node of a member; ``offset`` and ``bits`` in bits."""
        return self.add(
            f"!DIDerivedType(tag: DW_TAG_member, name: {quote(name)}, baseType: !{kind}, "
            f"size: {bits}, offset: {offset}{extra})"
        )

    def text(self) -> str:
        """Return everything, with the module's flags."""
        self._finish()
        version = self.add(f'!{{i32 7, !"Dwarf Version", i32 {DWARF_VERSION}}}')
        debug = self.add('!{i32 2, !"Debug Info Version", i32 3}')
        ident = self.add(f"!{{!{quote(self._producer)}}}")
        named = [
            f"!llvm.dbg.cu = !{{!{self.unit}}}",
            f"!llvm.module.flags = !{{!{version}, !{debug}}}",
            f"!llvm.ident = !{{!{ident}}}",
        ]
        return "\n".join([*named, *(f"!{i} = {t}" for i, t in enumerate(self._texts))]) + "\n"

    def _finish(self) -> None:
        for source, number in self._files.items():
            lines = self._lines[source]
            kept = [source.line(n) if n in lines else "" for n in range(1, max(lines) + 1)]
            self.define(
                number,
                f'!DIFile(filename: {quote(source.name)}, directory: "", '
                f"source: {quote(''.join(line + chr(10) for line in kept))})",
            )
        home = next(iter(self._files.values()))
        variables = self.listing(self._globals)
        self.define(
            self.unit,
            f"distinct !DICompileUnit(language: DW_LANG_C99, file: !{home}, "
            f"producer: {quote(self._producer)}, isOptimized: true, runtimeVersion: 0, "
            f"emissionKind: FullDebug, globals: !{variables}, nameTableKind: None)",
        )


def record_name(kind: Record) -> str:
    """Return the name of a record in BTF; one for all tuples with the same fields."""
    if not kind.is_tuple:
        return identifier(kind.name)
    return "tuple_" + "_".join(_short(f.type) for f in kind.fields)


def _short(kind: DataType) -> str:
    if isinstance(kind, Record):
        return record_name(kind)
    if isinstance(kind, Chars):
        return f"char{kind.length}"
    if isinstance(kind, Array):
        return f"{_short(kind.element)}x{kind.length}"
    if isinstance(kind, Address):
        return f"ptr_{identifier(kind.struct)}" if kind.struct else "ptr"
    return str(kind)


def _typed(kind: int | None) -> str:
    return "" if kind is None else f", type: !{kind}"
