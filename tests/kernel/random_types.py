"""Random types of data, and random values of them: for tests that hold for every type."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st

from pyebpf import (
    Bytes,
    Char,
    FixedArray,
    array,
    bits,
    chars,
    i8,
    i16,
    i32,
    i64,
    octets,
    record,
    u8,
    u16,
    u32,
    u64,
)
from pyebpf.spec.bitfields import limits
from pyebpf.spec.types import Array, Bool, Chars, DataType, Field, Int, Octets, Record

NUMBERS = (u8, u16, u32, u64, i8, i16, i32, i64)
DEEPEST = 2


def annotation(rng: random.Random) -> Any:
    """Return what can stand between the brackets of a map: a number, a tuple, or a record."""
    shape = rng.choice(["number", "tuple", "record", "record"])
    if shape == "number":
        return rng.choice(NUMBERS)
    if shape == "record":
        return a_record(rng)
    parts = [rng.choice((*NUMBERS, IPv4Address, IPv6Address)) for _ in range(rng.randint(2, 3))]
    return tuple.__class_getitem__(tuple(parts))


def a_record(rng: random.Random, depth: int = 0) -> type:
    """Return a record of two to five fields, which may be arrays, texts and records."""
    hints: dict[str, Any] = {}
    fields: dict[str, Any] = {"__annotations__": hints}
    shapes = ["number", "number", "bits", "bool", "text", "bytes", "array", "address", "record"]
    for at in range(rng.randint(2, 5)):
        name, shape = f"f{at}", rng.choice(shapes[: -1 if depth == DEEPEST else None])
        number = rng.choice(NUMBERS)
        match shape:
            case "number":
                hints[name] = number
            case "bits":
                hints[name], fields[name] = rng.choice((u32, i32, u8)), bits(rng.randint(1, 8))
            case "bool":
                hints[name] = bool
            case "text":
                hints[name], fields[name] = Char, chars(rng.randint(1, 9))
            case "bytes":
                hints[name], fields[name] = Bytes, octets(rng.randint(1, 7))
            case "array":
                hints[name], fields[name] = FixedArray[number], array(rng.randint(1, 4))
            case "address":
                hints[name] = rng.choice((IPv4Address, IPv6Address))
            case "record":
                hints[name] = a_record(rng, depth + 1)
    return record(type(f"R{rng.randrange(10**9)}", (), fields))


def values(kind: DataType) -> st.SearchStrategy[Any]:
    """Return a strategy of what Python reads of a type, which is also what can be written."""
    match kind:
        case Int():
            return st.integers(kind.low, kind.high)
        case Bool():
            return st.booleans()
        case Chars():
            letters = st.characters(codec="utf-8", exclude_characters="\0")
            return st.text(letters, max_size=kind.length).filter(
                lambda text: len(text.encode()) <= kind.length
            )
        case Octets():
            makers: dict[str, Any] = {"IPv4Address": IPv4Address, "IPv6Address": IPv6Address}
            raw = st.binary(min_size=kind.length, max_size=kind.length)
            return raw.map(makers.get(kind.role, bytes))
        case Array():
            return st.tuples(*[values(kind.element)] * kind.length)
        case Record() if kind.is_tuple:
            return st.tuples(*map(_of_field, kind.fields))
        case Record():
            return st.fixed_dictionaries({field.name: _of_field(field) for field in kind.fields})
    raise TypeError(kind)


def _of_field(field: Field) -> st.SearchStrategy[Any]:
    return st.integers(*limits(field)) if field.bits else values(field.type)


def hashable(value: Any) -> Any:
    """Return a value that is equal for equal values, whatever the order of their fields."""
    if isinstance(value, dict):
        return tuple((name, hashable(item)) for name, item in sorted(value.items()))
    return tuple(map(hashable, value)) if isinstance(value, tuple) else value
