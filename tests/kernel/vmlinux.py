"""A walk over the running kernel's BTF, on its own: our tables and parsers are compared with it."""

from __future__ import annotations

import functools
import struct
from pathlib import Path

# Bytes after the 12 that every type has: fixed, and for each member.
_FIXED = {1: 4, 3: 12, 14: 4, 17: 4}
_EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}
ENUM, FUNC, TYPEDEF, ENUM64 = 6, 12, 8, 19


@functools.cache
def _data() -> tuple[bytes, bytes]:
    raw = Path("/sys/kernel/btf/vmlinux").read_bytes()
    header, types, types_len, strings, strings_len = struct.unpack_from("=4x5I", raw)
    return raw[header + types :][:types_len], raw[header + strings :][:strings_len]


@functools.cache
def _walk() -> tuple[dict[tuple[str, int], int], dict[str, int]]:
    """Return ids of functions and typedefs by name and kind, and every enumerator's value."""
    types, strings = _data()
    ids: dict[tuple[str, int], int] = {}
    values: dict[str, int] = {}
    at, number = 0, 0
    while at < len(types):
        number += 1
        name, info, _ = struct.unpack_from("=3I", types, at)
        kind, members = info >> 24 & 31, info & 0xFFFF
        at += 12
        if kind in (FUNC, TYPEDEF):
            ids[_text(strings, name), kind] = number
        if kind == ENUM:
            for row in struct.iter_unpack("=Ii", types[at : at + 8 * members]):
                values[_text(strings, row[0])] = row[1] & 0xFFFFFFFF
        if kind == ENUM64:
            for row in struct.iter_unpack("=IQ", types[at : at + 12 * members]):
                values[_text(strings, row[0])] = row[1]
        at += _FIXED.get(kind, 0) + _EACH.get(kind, 0) * members
    return ids, values


def _text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode()


def type_id(name: str, kind: int) -> int:
    """Return the id of a function or typedef."""
    return _walk()[0][name, kind]


def enumerators() -> dict[str, int]:
    """Return the value of every enumerator of the kernel."""
    return _walk()[1]
