"""A node with other type ids in it: when types move from one blob to another."""

from __future__ import annotations

from collections.abc import Callable

from pyebpf.btf import types as t


def renumbered(node: t.Type, number: Callable[[int], int]) -> t.Type:
    """Return a node whose references go where ``number`` says."""
    copy = node
    match node:
        case t.Struct() | t.Union():
            members = (m.replace(type=number(m.type)) for m in node.members)
            copy = node.replace(members=tuple(members))
        case t.Array():
            copy = t.Array(number(node.element), number(node.index), node.count)
        case t.FuncProto():
            params = (t.Param(p.name, number(p.type)) for p in node.params)
            copy = t.FuncProto(number(node.result), tuple(params))
        case t.DataSec():
            rows = (v.replace(type=number(v.type)) for v in node.vars)
            copy = node.replace(vars=tuple(rows))
        case t.Ptr() | t.Typedef() | t.Func() | t.Var() | t.DeclTag():
            copy = node.replace(type=number(node.type))
        case t.Const() | t.Volatile() | t.Restrict() | t.TypeTag():
            copy = node.replace(type=number(node.type))
    return copy
