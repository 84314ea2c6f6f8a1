"""Loops over the entries of a map: `for key, value in m.items():`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from pyebpf.abi.helpers import HELPERS
from pyebpf.dsl import typed
from pyebpf.dsl.check.assign import store
from pyebpf.dsl.check.convert import pack
from pyebpf.dsl.check.map_use import entry_type, use
from pyebpf.dsl.check.objects import need_helper
from pyebpf.dsl.check.scope import LoopFlow, stored_names
from pyebpf.dsl.faults import Fault, WrongCall
from pyebpf.dsl.faults_kernel import NeedsFeature
from pyebpf.dsl.maps import Hash, MapDecl, Numbered
from pyebpf.dsl.tries import LpmTrie
from pyebpf.dsl.typed import EntryKey, EntryValue, Expr, MapUse, RecordField, Stmt, Turn
from pyebpf.dsl.types import Pointer, Record, Space, Static, in_memory
from pyebpf.dsl.user_ring import UserEvents
from pyebpf.plain import Plain

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

_WORDS = ("items", "keys", "values")


class Entries(Plain):
    """The entries of a map, or its keys or its values alone."""

    map: MapUse
    word: str


def entries_of(node: ast.expr, scope: Scope) -> Entries | None:
    """Return the entries that a loop runs over; None if it runs over something else."""
    word, owner = "keys", node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        word, owner = node.func.attr, node.func.value
        if word not in _WORDS:
            return None
    elif not isinstance(node, (ast.Name, ast.Attribute)):
        return None
    base = scope.expr(owner)
    decl = base.type.value if isinstance(base.type, Static) else None
    if not isinstance(decl, MapDecl):
        return None
    if isinstance(decl, UserEvents) and owner is node:
        made = use(decl, scope.span(owner), scope)
        need_helper(HELPERS["user_ringbuf_drain"], "a loop over it", scope.span(node), scope)
        return Entries(made, "values")
    listed = isinstance(decl, (Hash, Numbered)) and not isinstance(decl, LpmTrie)
    if not listed or (isinstance(decl, Numbered) and owner is node):
        advice = "loop over items(), keys() or values() of a hash or an array"
        raise scope.unsupported(node, f"a loop over this {type(decl).__name__}", advice)
    if isinstance(node, ast.Call) and (node.args or node.keywords):
        raise Fault(WrongCall(scope.span(node), name=word, why="takes no arguments"))
    made = use(decl, scope.span(owner), scope)
    if scope.unit.target.lacks("helper:for_each_map_elem"):
        what, advice = "a loop over a map", "look single keys up, or read the map from user space"
        raise Fault(
            NeedsFeature(
                scope.span(node), what=what, feature="helper:for_each_map_elem", since="5.13",
                advice=advice,
            )
        )  # fmt: skip
    return Entries(made, word)


def for_entries(node: ast.For, entries: Entries, scope: Scope) -> list[Stmt]:
    """Check a loop over the entries of a map."""
    before = scope.flow.forgetting(stored_names([node]))
    scope.flow = before
    turn = Turn()
    begin = store(node.target, _item(entries, turn, node.iter, scope), scope)
    flow = LoopFlow()
    scope.loops.append(flow)
    body = scope.block(node.body)
    scope.loops.pop()
    ended = scope.flow
    for each in flow.continues:
        ended = ended.merge(each)
    scope.flow = before.merge(ended)
    other = scope.block(node.orelse)
    for each in flow.breaks:
        scope.flow = scope.flow.merge(each)
    return [typed.ForEntries(scope.span(node), entries.map, turn, begin, body, other)]


def _item(entries: Entries, turn: Turn, node: ast.expr, scope: Scope) -> Expr:
    span = scope.span(node)
    if isinstance(entries.map.decl, UserEvents):
        return EntryValue(_sent(entries), span, turn)
    key = key_of_turn(entries.map, turn, span)
    if entries.word == "keys":
        return key
    kind = entry_type(entries.map)
    assert not isinstance(kind, Static)
    value = EntryValue(kind, span, turn)
    return value if entries.word == "values" else pack((key, value), span)


def _sent(entries: Entries) -> Any:
    """Return the type of what user space sent: a number, or a record of the program's own."""
    kind = entry_type(entries.map)
    return Pointer(Space.STACK, kind.to) if isinstance(kind, Pointer) else kind


def key_of_turn(made: MapUse, turn: Turn, span: Span) -> Expr:
    """Return the key of the entry that a turn, or a call back, is about."""
    kind = made.spec.key
    assert kind is not None
    if isinstance(kind, Record):
        base = EntryKey(Pointer(Space.MAP, kind), span, turn)
        if not kind.is_tuple:
            return base
        return pack([RecordField(f.type, span, base, f) for f in kind.fields], span)
    if in_memory(kind):
        return typed.EntryText(kind, span, turn)
    return EntryKey(kind, span, turn)
