"""A declared map in one compilation: what it is there, and what its keys and entries are."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from pyebpf.abi.helpers import HELPERS
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.dsl.check.convert import literal, need_number, need_value, to_data, to_int
from pyebpf.dsl.check.elements import index_of
from pyebpf.dsl.check.locks import check_kernel_fields
from pyebpf.dsl.check.objects import need_helper, vouched
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.map_of_maps import OfMaps
from pyebpf.dsl.maps import Numbered
from pyebpf.dsl.storage import Storage
from pyebpf.dsl.tries import LpmTrie
from pyebpf.dsl.typed import Expr, Literal, MakeRecord, MapUse, Object, Pack
from pyebpf.dsl.typed_maps import InnerMap
from pyebpf.dsl.types import (
    MapPointer,
    Maybe,
    Octets,
    Pointer,
    Record,
    Space,
    Static,
    ValueType,
)
from pyebpf.errors import PyebpfError
from pyebpf.spec.types import U32, Address, Bool, DataType, Int

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.maps import MapDecl

_NETWORK = 2


def use(decl: MapDecl, span: Span, scope: Scope) -> MapUse:
    """Return the map of a declaration, in this unit.

    Raises:
        Fault: its types do not make a map, or the target has no such maps.
    """
    if decl.found is not None:
        found: MapUse = decl.found
        return found
    try:
        made = scope.unit.use_map(decl, "map")
    except PyebpfError as err:
        name = scope.unit.collected.name_map(decl, "map")
        why = f"is declared wrongly: {err}"
        raise Fault(WrongCall(span, name, why, origin=scope.declaration(name))) from None
    check_kernel_fields(decl, made.spec, span, scope)
    if isinstance(decl, OfMaps) and decl.entries:
        names = [use(entry, span, scope).spec.name for entry in decl.entries]
        made.spec = made.spec.replace(slots=tuple(enumerate(names)))
    if isinstance(made.spec.value, Octets) and decl.shape() is None:
        # What a look-up gives would change with the entry, and Python's value does not.
        why = f"cannot have values `{made.spec.value}`"
        advice = "put it in a record"
        raise Fault(WrongCall(span, name=type(decl).__name__, why=why, advice=advice))
    return made


def inner_map(decl: OfMaps[Any], args: list[Expr], span: Span, scope: Scope) -> Expr:
    """Check ``outer.get(key)``: a map, or None."""
    outer = use(decl, span, scope)
    if len(args) != 1:
        raise Fault(WrongCall(span, name="get", why=f"takes 1 argument, got {len(args)}"))
    assert outer.spec.key is not None
    assert outer.spec.inner is not None
    known = scope.unit.inner_maps
    if decl not in known:
        known[decl] = inner = copy(decl.inner)
        inner.found = MapUse(inner, outer.spec.inner, outer.index)
    kind = MapPointer(Space.HANDLE, decl=known[decl])
    return InnerMap(Maybe(kind), span, outer, to_data(need_value(args[0]), outer.spec.key, "a key"))


def as_map(expr: Expr) -> Expr:
    """Return a map that was found in another one as what can be used like a declared one."""
    kind = expr.type
    if not isinstance(kind, MapPointer):
        return expr
    decl = copy(kind.decl)
    like = kind.decl.found
    decl.found = MapUse(decl, like.spec, like.index, expr)
    return Object(Static(decl), expr.span)


def entry_type(made: MapUse) -> ValueType:
    """Return what a look-up gives: a number, or a pointer to the record in the map."""
    value = made.spec.value
    assert value is not None
    if isinstance(value, (Int, Bool, Address)):
        return value
    return Pointer(Space.MAP, value)


def key_of(made: MapUse, key: Expr, scope: Scope) -> Expr:
    """Convert a key to the map's key type."""
    if isinstance(made.decl, Numbered):
        return index_of(made, key)
    if isinstance(made.decl, Storage):
        row = HELPERS[MAP_KINDS[made.spec.kind].getter]
        need_helper(row, type(made.decl).__name__, key.span, scope)
        return vouched(row.args[1], row.name, key, scope)
    kind = made.spec.key
    assert kind is not None
    if isinstance(made.decl, LpmTrie):
        assert isinstance(kind, Record)
        return _prefix(kind, key)
    return as_declared(made, "a key", key, kind, scope)


def as_declared(made: MapUse, what: str, value: Expr, kind: DataType, scope: Scope) -> Expr:
    """Convert a key or a value to the type that the map's declaration says."""
    try:
        return to_data(need_value(value), kind, what)
    except Fault as fault:
        origin, found = scope.declaration(made.spec.name), fault.diagnostic
        if origin is None or not isinstance(found, Mismatch):
            raise
        raise Fault(found.replace(origin=origin)) from None


def _prefix(kind: Record, key: Expr) -> Expr:
    """Return the key of a trie: an address with all its bits, or ``address, bits``."""
    length, data = kind.fields
    bits: Expr = literal(8 * data.type.size, key.span)
    if isinstance(key, Pack) and len(key.items) == _NETWORK and not _is_whole(data.type, key):
        items = key.items
        key, bits = items[0], need_number(need_value(items[1]))
        known = bits.range
        most = 8 * data.type.size
        if isinstance(bits, Literal) and known and not 0 <= known[0] <= most:
            wanted = f"a length from 0 to {most} bits"
            raise Fault(Mismatch(bits.span, expected=wanted, got=str(bits.value)))
    value = to_data(need_value(key), data.type, "a key")
    return MakeRecord(kind, key.span, ((length, to_int(bits, U32)), (data, value)))


def _is_whole(kind: object, key: Pack) -> bool:
    tuples = isinstance(kind, Record) and kind.is_tuple and len(kind.fields) == _NETWORK
    return tuples and not isinstance(key.items[0], Pack)
