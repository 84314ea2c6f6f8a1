"""A small BTF out of a large one, changed on the way: other kernels, made for tests.

What ``bpftool gen min_core_btf`` makes is much like this without changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from pyebpf.btf import types as t
from pyebpf.btf.parse import Btf
from pyebpf.btf.renumber import renumbered
from pyebpf.btf.write import Builder

Change: TypeAlias = Callable[[t.Struct], t.Struct]


def extract(
    btf: Btf,
    names: Iterable[str],
    changes: Mapping[str, Change] | None = None,
    *,
    deep: bool = False,
) -> bytes:
    """Return BTF with the named types and all that they need.

    Args:
        btf: where to take them from.
        names: of types; all types of each name are taken.
        changes: by the name of a struct, what to make of it: see :func:`move`, :func:`retype`,
            :func:`as_bits`, :func:`rename_field`, :func:`drop_field` and :func:`rename`. Names in
            ``names`` and here are those in ``btf``.
        deep: take what pointers point to as well; else a struct that is only pointed to becomes a
            declaration of it.

    Raises:
        KeyError: ``btf`` has no type of a name.
    """
    return _Extraction(btf, names, changes or {}, deep=deep).run()


_QUALIFIERS = (t.Const, t.Volatile, t.Restrict, t.TypeTag)


class _Extraction:
    def __init__(
        self, btf: Btf, names: Iterable[str], changes: Mapping[str, Change], *, deep: bool
    ) -> None:
        self._btf, self._changes, self._deep = btf, changes, deep
        self._out = Builder()
        self._new: dict[int, int] = {}
        self._declared: dict[int, int] = {}
        self._todo: list[int] = []
        self._roots = []
        for name in names:
            btf.find(name)
            self._roots += btf.find_all(name)

    def run(self) -> bytes:
        for root in self._roots:
            self._take(root)
        while self._todo:
            old = self._todo.pop()
            self._out.replace(self._new[old], self._copy(self._btf.type(old)))
        return self._out.to_bytes()

    def _take(self, old: int) -> int:
        """Return the new id of a type that is needed as a whole."""
        if old and old not in self._new:
            self._new[old] = self._out.add(t.Void())  # its place; filled in by run()
            self._todo.append(old)
        return self._new[old] if old else 0

    def _point(self, old: int) -> int:
        """Return the new id of a type that a pointer points to."""
        node = self._btf.type(old)
        if isinstance(node, _QUALIFIERS) and not self._deep:
            return self._out.add(node.replace(type=self._point(node.type)))
        whole = self._deep or old in self._roots
        if whole or not isinstance(node, (t.Struct, t.Union)) or not node.name:
            return self._take(old)
        if old not in self._declared:
            self._declared[old] = self._out.add(t.Fwd(node.name, isinstance(node, t.Union)))
        return self._declared[old]

    def _copy(self, node: t.Type) -> t.Type:
        if isinstance(node, (t.FuncProto, t.Ptr)):
            return renumbered(node, self._point)
        copy = renumbered(node, self._take)
        return self._changed(copy) if isinstance(copy, (t.Struct, t.Union)) else copy

    def _changed(self, node: t.Struct | t.Union) -> t.Type:
        change = self._changes.get(node.name)
        return change(node) if change and isinstance(node, t.Struct) else node


def move(field: str, offset: int) -> Change:
    """Put a field at another byte; the struct grows if need be."""

    def change(node: t.Struct) -> t.Struct:
        moved = _edit(node, field, lambda member: member.replace(bit_offset=8 * offset))
        return moved.replace(size=max(node.size, offset + 8))

    return change


def retype(field: str, like: str) -> Change:
    """Give a field the type of another field of the struct."""

    def change(node: t.Struct) -> t.Struct:
        (other,) = (member for member in node.members if member.name == like)
        return _edit(node, field, lambda m: m.replace(type=other.type, bitfield_size=0))

    return change


def as_bits(field: str, bits: int) -> Change:
    """Make a bit-field of a number; 0 makes it whole again, where its word begins."""
    return lambda node: _edit(
        node, field, lambda m: m.replace(bit_offset=m.bit_offset & ~63, bitfield_size=bits)
    )


def rename_field(field: str, name: str) -> Change:
    """Give a field another name."""
    return lambda node: _edit(node, field, lambda member: member.replace(name=name))


def drop_field(field: str) -> Change:
    """Take a field away; the others stay where they are."""

    def change(node: t.Struct) -> t.Struct:
        _edit(node, field, lambda member: member)
        return node.replace(members=tuple(m for m in node.members if m.name != field))

    return change


def rename(name: str) -> Change:
    """Give the struct another name, such as a flavour: ``request___v5``."""
    return lambda node: node.replace(name=name)


def all_of(*changes: Change) -> Change:
    """Apply several changes, one after the other."""

    def change(node: t.Struct) -> t.Struct:
        for each in changes:
            node = each(node)
        return node

    return change


def _edit(node: t.Struct, field: str, change: Callable[[t.Member], t.Member]) -> t.Struct:
    if all(member.name != field for member in node.members):
        msg = f"`struct {node.name}` has no field `{field}` of its own to change"
        raise KeyError(msg)
    members = (change(m) if m.name == field else m for m in node.members)
    return node.replace(members=tuple(members))
