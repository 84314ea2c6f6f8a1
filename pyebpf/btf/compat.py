"""When a type of an object file and a type of a kernel mean the same.

Three degrees, from loose to strict: of the types of a field that is read, of types that are asked
for by name (``bpf_core_type_exists``), and of types that are compared member by member
(``bpf_core_type_matches``).

Source:  the rules that libbpf documents for CO-RE relocations (``relo_core.c``).
"""

from __future__ import annotations

from pyebpf.btf import types as t
from pyebpf.btf.parse import MAX_DEPTH, Btf
from pyebpf.btf.types import Kind, essential

#: Function prototypes, structs and unions may be nested this deep when they are compared.
_LEVELS = 32


def kinds_agree(local: Kind, target: Kind) -> bool:
    """Tell whether two kinds are the same; enums of any width are one kind."""
    return local is target or (local in t.ENUMS and target in t.ENUMS)


def fields_agree(local: Btf, local_id: int, target: Btf, target_id: int) -> bool:
    """Tell whether a field of the target can be read as the local one.

    Integers of any size and sign agree, so do all pointers, all structs and unions; arrays agree as
    their elements do; enums and forward declarations when their names do.
    """
    for _ in range(MAX_DEPTH):
        a, b = local.type(local.skip(local_id)), target.type(target.skip(target_id))
        if a.kind in t.COMPOSITES and b.kind in t.COMPOSITES:
            return True
        if not kinds_agree(a.kind, b.kind):
            return False
        if not (isinstance(a, t.Array) and isinstance(b, t.Array)):
            return _leaves_agree(a, b)
        local_id, target_id = a.element, b.element
    return False


def _leaves_agree(a: t.Type, b: t.Type) -> bool:
    if isinstance(a, (t.Ptr, t.Float)):
        return True
    if isinstance(a, t.Int) and isinstance(b, t.Int):
        return not a.offset and not b.offset  # an offset makes it a bitfield of the old style
    if isinstance(a, (t.Enum, t.Enum64, t.Fwd)) and isinstance(b, (t.Enum, t.Enum64, t.Fwd)):
        return not a.name or not b.name or essential(a.name) == essential(b.name)
    return False


def types_agree(
    local: Btf, local_id: int, target: Btf, target_id: int, levels: int = _LEVELS
) -> bool:
    """Tell whether the target has the local type, whatever its members are.

    The names are the caller's business: candidates were found by name.
    """
    if not levels:
        return False
    for _ in range(MAX_DEPTH):
        a, b = local.type(local.skip(local_id)), target.type(target.skip(target_id))
        if not kinds_agree(a.kind, b.kind):
            return False
        if isinstance(a, t.Int) and isinstance(b, t.Int):
            return not a.offset and not b.offset
        if isinstance(a, t.FuncProto) and isinstance(b, t.FuncProto):
            return _signatures(a, b) is not None and all(
                types_agree(local, x, target, y, levels - 1) for x, y in _signatures(a, b) or ()
            )
        step = _inner(a, b)
        if step is None:
            return a.kind is Kind.VOID or a.kind in _BY_NAME
        local_id, target_id = step
    return False


_BY_NAME = t.COMPOSITES | t.ENUMS | {Kind.FWD}


def _inner(a: t.Type, b: t.Type) -> tuple[int, int] | None:
    """Return what two pointers point to, or what two arrays consist of."""
    if isinstance(a, t.Ptr) and isinstance(b, t.Ptr):
        return a.type, b.type
    if isinstance(a, t.Array) and isinstance(b, t.Array):
        return a.element, b.element
    return None


def _signatures(a: t.FuncProto, b: t.FuncProto) -> list[tuple[int, int]] | None:
    if len(a.params) != len(b.params):
        return None
    pairs = [(x.type, y.type) for x, y in zip(a.params, b.params, strict=True)]
    return [*pairs, (a.result, b.result)]


def types_match(local: Btf, local_id: int, target: Btf, target_id: int) -> bool:
    """Tell whether the target's type has all that the local one has, with the same types.

    Behind a pointer only the names of structs count.
    """
    return _Comparison(local, target).match(local_id, target_id, _LEVELS, behind_pointer=False)


class _Comparison:
    def __init__(self, local: Btf, target: Btf) -> None:
        self.local, self.target = local, target

    def match(self, local_id: int, target_id: int, levels: int, *, behind_pointer: bool) -> bool:
        for _ in range(MAX_DEPTH if levels else 0):
            a = self.local.type(self.local.skip(local_id))
            b = self.target.type(self.target.skip(target_id))
            if _named(a) != _named(b):
                return False
            if isinstance(a, t.FuncProto) and isinstance(b, t.FuncProto):
                pairs = _signatures(a, b)
                return pairs is not None and all(
                    self.match(x, y, levels - 1, behind_pointer=behind_pointer) for x, y in pairs
                )
            if isinstance(a, t.Array) and isinstance(b, t.Array) and a.count != b.count:
                return False
            step = _inner(a, b)
            if step is None:
                return self._same(a, b, levels, behind_pointer=behind_pointer)
            behind_pointer |= isinstance(a, t.Ptr)
            local_id, target_id = step
        return False

    def _same(self, a: t.Type, b: t.Type, levels: int, *, behind_pointer: bool) -> bool:
        if behind_pointer and a.kind in _DECLARABLE:
            return _declared(a) == _declared(b)
        if isinstance(a, t.Int) and isinstance(b, t.Int):
            return a.size == b.size and a.signed == b.signed
        if isinstance(a, (t.Enum, t.Enum64)) and isinstance(b, (t.Enum, t.Enum64)):
            there = {essential(value.name) for value in b.values}
            return all(essential(value.name) in there for value in a.values)
        if isinstance(a, (t.Struct, t.Union)) and isinstance(b, (t.Struct, t.Union)):
            return a.kind is b.kind and self._members(a, b, levels)
        return a == b and isinstance(a, (t.Void, t.Fwd))

    def _members(self, a: t.Struct | t.Union, b: t.Struct | t.Union, levels: int) -> bool:
        by_name: dict[str, list[int]] = {}
        for member in b.members:
            by_name.setdefault(essential(member.name), []).append(member.type)
        return all(
            any(
                self.match(member.type, other, levels - 1, behind_pointer=False)
                for other in by_name.get(essential(member.name), ())
            )
            for member in a.members
        )


_DECLARABLE = t.COMPOSITES | {Kind.FWD}


def _named(node: t.Type) -> str:
    return essential(getattr(node, "name", ""))


def _declared(node: t.Type) -> Kind | None:
    """Return whether a struct or a union is declared or defined; None for another type."""
    if isinstance(node, t.Fwd):
        return Kind.UNION if node.is_union else Kind.STRUCT
    return node.kind if node.kind in t.COMPOSITES else None
