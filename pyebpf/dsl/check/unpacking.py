"""`*pair` among arguments and in tuples: the items, one by one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl.faults import Fault, Mismatch
from pyebpf.dsl.typed import Pack
from pyebpf.dsl.types import shown

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope


def starred_items(node: ast.expr, scope: Scope) -> list[ast.expr]:
    """Return the items that ``*value`` stands for, as expressions; ``[node]`` if it has no star.

    Raises:
        Fault: the value is no tuple.
    """
    if not isinstance(node, ast.Starred):
        return [node]
    value = scope.expr(node.value)
    if not isinstance(value, Pack):
        raise Fault(Mismatch(value.span, expected="a tuple", got=shown(value.type)))
    if not isinstance(node.value, (ast.Name, ast.Attribute, ast.Tuple)):
        raise scope.unsupported(node.value, "`*` of a call", "give the tuple a name first")
    return [_item(node.value, number) for number in range(len(value.items))]


def _item(value: ast.expr, number: int) -> ast.expr:
    place = ast.copy_location(ast.Constant(number), value)
    return ast.copy_location(ast.Subscript(value, place, ast.Load()), value)
