"""Data with declared widths in CPython: numbers that wrap, texts with a size, arrays, records.

Arrays and records are views of bytes, so that a second name for one is the same one, and the fields
of a union lie at one place. Gaps between fields are left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple


def wrap(width: str, value: Any) -> int:
    """Return a number as a variable of this width holds it."""
    bits = int(width[1:])
    number = int(value) & (1 << bits) - 1
    return number - (1 << bits) if width[0] == "i" and number >> bits - 1 else number


class Number(NamedTuple):
    """``u8`` to ``i64``."""

    width: str

    @property
    def size(self) -> int:
        return int(self.width[1:]) // 8

    def read(self, data: memoryview) -> int:
        return int.from_bytes(data, "little", signed=self.width[0] == "i")

    def write(self, data: memoryview, value: Any) -> None:
        number = int(value) & (1 << 8 * self.size) - 1
        data[:] = number.to_bytes(self.size, "little")

    def plain(self, value: Any) -> int:
        return int(value)


class Text(NamedTuple):
    """``Char = chars(9)``: a longer text is cut, and a text ends at its first NUL."""

    size: int

    def read(self, data: memoryview) -> str:
        return bytes(data).partition(b"\0")[0].decode("utf-8", "surrogateescape")

    def write(self, data: memoryview, value: str) -> None:
        data[:] = value.encode("utf-8", "surrogateescape")[: self.size].ljust(self.size, b"\0")

    def plain(self, value: Any) -> str:
        return str(value)


class Elements(NamedTuple):
    """``FixedArray[u32] = array(2)``."""

    element: Any
    length: int

    @property
    def size(self) -> int:
        return int(self.element.size) * self.length

    def read(self, data: memoryview) -> Array:
        return Array(self, data)

    def write(self, data: memoryview, value: Any) -> None:
        given = list(value)
        assert len(given) == self.length
        for number, item in enumerate(given):
            self.element.write(self.at(data, number), item)

    def at(self, data: memoryview, number: int) -> memoryview:
        return data[self.element.size * number :][: self.element.size]

    def plain(self, value: Any) -> tuple[Any, ...]:
        return tuple(self.element.plain(item) for item in value)


class Array:
    """An array, with Python's indices."""

    def __init__(self, kind: Elements, data: memoryview) -> None:
        self.kind, self.data = kind, data

    def __len__(self) -> int:
        return self.kind.length

    def _place(self, index: int) -> memoryview:
        return self.kind.at(self.data, range(self.kind.length)[index])

    def __getitem__(self, index: int) -> Any:
        return self.kind.element.read(self._place(index))

    def __setitem__(self, index: int, value: Any) -> None:
        self.kind.element.write(self._place(index), value)


class Fields(NamedTuple):
    """What ``@record`` and ``@union`` make."""

    name: str
    fields: dict[str, Any]
    union: bool

    @property
    def size(self) -> int:
        sizes = [kind.size for kind in self.fields.values()]
        return max(sizes) if self.union else sum(sizes)

    def __call__(self, **values: Any) -> Record:
        made = Record(self, memoryview(bytearray(self.size)))
        for name, value in values.items():
            setattr(made, name, value)
        return made

    def place(self, data: memoryview, name: str) -> memoryview:
        before = 0
        for other, kind in self.fields.items():
            if other == name:
                return data[before:][: kind.size]
            before += 0 if self.union else kind.size
        raise AttributeError(name)

    def read(self, data: memoryview) -> Record:
        return Record(self, data)

    def write(self, data: memoryview, value: Record) -> None:
        data[:] = bytes(value._data)

    def plain(self, value: Any) -> tuple[Any, ...]:
        return tuple(kind.plain(getattr(value, name)) for name, kind in self.fields.items())


class Record:
    """A record or a union: another name for it, and a part of it, is the same place."""

    _kind: Fields
    _data: memoryview

    def __init__(self, kind: Fields, data: memoryview) -> None:
        self.__dict__.update(_kind=kind, _data=data)

    def __getattr__(self, name: str) -> Any:
        return self._kind.fields[name].read(self._kind.place(self._data, name))

    def __setattr__(self, name: str, value: Any) -> None:
        self._kind.fields[name].write(self._kind.place(self._data, name), value)


class Tuple(NamedTuple):
    """``tuple[u8, i16]``, a key."""

    parts: tuple[Any, ...]

    def plain(self, value: Any) -> tuple[Any, ...]:
        return tuple(part.plain(item) for part, item in zip(self.parts, value, strict=True))


def kept(kind: Any, value: Any) -> Any:
    """Return a value as a variable of a declared kind, or an entry of a map, keeps it: a copy."""
    if isinstance(kind, Tuple):
        return tuple(kept(part, item) for part, item in zip(kind.parts, value, strict=True))
    data = memoryview(bytearray(kind.size))
    kind.write(data, value)
    return kind.read(data)
