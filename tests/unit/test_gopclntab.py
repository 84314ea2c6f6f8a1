"""What the runtime of a Go program knows of its functions, in each format, made by hand."""

from __future__ import annotations

from struct import pack
from typing import cast

import pytest

from pyebpf.runtime.gopclntab import go_functions
from pyebpf.runtime.image import Image, Section

TEXT, AT = 0x40_1000, 0x4B_0000
NAMES = b"main.main\0main.twice\0main.twice.func1\0"
FUNCTIONS = [("main.main", 0x000, 0x40), ("main.twice", 0x040, 0x20), ("main.twice", 0x60, 0xA0)]
TEXT_SAYS = 176  # in `moduledata`


class Parts:
    """The sections of a file, by name: where they are, and what is in them."""

    def __init__(self, **parts: tuple[int, bytes]) -> None:
        named = {f".{name.replace('__', '.')}": part for name, part in parts.items()}
        kinds = {".rela.dyn": 4}
        self.parts = named
        self.sections = [
            Section(name, kinds.get(name, 1), address, 0, len(data), 0, 0)
            for name, (address, data) in named.items()
        ]

    def section(self, name: str) -> bytes | None:
        return self.parts[name][1] if name in self.parts else None

    def section_address(self, name: str) -> int | None:
        return self.parts[name][0] if name in self.parts else None


def table(magic: int, text: int | None, count: int = len(FUNCTIONS)) -> bytes:
    """Make a table; before Go 1.18 (without ``text``) its rows have whole addresses."""
    whole = text is None
    row, base = ("<QQ", TEXT) if whole else ("<II", 0)
    size = 16 if whole else 8
    start = len(FUNCTIONS) * size + size // 2
    each = [pack(row[:2] + "i", base + at, NAMES.index(f"{name}\0".encode()))
            for name, at, _ in FUNCTIONS]  # fmt: skip
    rows = b"".join(
        pack(row, base + at, start + n * len(each[0])) for n, (_, at, _) in enumerate(FUNCTIONS)
    )
    rows += pack(row[:2], base + 0x100)
    head = pack("<IHBBQQ", magic, 0, 1, 8, count, 0) + (b"" if whole else pack("<Q", text))
    begin = len(head) + 5 * 8
    offsets = (begin, 0, 0, 0, begin + len(NAMES))
    return head + pack("<5Q", *offsets) + NAMES + rows + b"".join(each)


def found(**parts: tuple[int, bytes]) -> list[tuple[str, int, int]] | None:
    functions = go_functions(cast("Image", Parts(**parts)))
    if functions is None:
        return None
    return [(f.name, f.address - TEXT, f.size) for f in functions.functions()]


@pytest.mark.parametrize("magic", [0xFFFFFFF0, 0xFFFFFFF1])
def test_addresses_count_from_the_text(magic: int) -> None:
    assert found(gopclntab=(AT, table(magic, TEXT))) == FUNCTIONS


def test_whole_addresses_before_go_1_18() -> None:
    assert found(gopclntab=(AT, table(0xFFFFFFFA, None))) == FUNCTIONS


def test_where_the_text_is_says_the_loader() -> None:
    row = pack("<QQq", AT + 24, 8, TEXT)
    parts = {
        "data__rel__ro__gopclntab": (AT, table(0xFFFFFFF1, 0)),
        "text": (TEXT - 0x500, b"C"),  # what C has is in front
        "rela__dyn": (0x400, pack("<QQq", AT, 8, 7) + row),
    }
    assert found(**parts) == FUNCTIONS


def test_where_the_text_is_says_the_module() -> None:
    """Go 1.26 writes no address into the table."""
    parts = {
        "gopclntab": (AT, table(0xFFFFFFF1, 0)),
        "go__module": (0x50_0000, bytes(TEXT_SAYS) + pack("<Q", TEXT)),
        "text": (TEXT - 0x500, b"C"),
    }
    assert found(**parts) == FUNCTIONS


def test_functions_of_a_name() -> None:
    functions = go_functions(cast("Image", Parts(gopclntab=(AT, table(0xFFFFFFF1, TEXT)))))
    assert functions is not None
    assert [f.address - TEXT for f in functions.functions_named("main.twice")] == [0x40, 0x60]
    assert list(functions.functions_named("main")) == []
    assert [f.size for f in functions.functions("main.t")] == [0x20, 0xA0]


def test_what_is_no_such_table_is_passed_over() -> None:
    good = table(0xFFFFFFF1, TEXT)
    assert found(text=(TEXT, b"C")) is None
    assert found(gopclntab=(AT, table(0xFFFFFFFB, TEXT))) is None  # of Go 1.2
    assert found(gopclntab=(AT, table(0xFFFFFFF1, TEXT, count=1 << 40))) is None
    for length in range(0, len(good), 3):
        assert found(gopclntab=(AT, good[:length])) is None
