"""Bytes and IP addresses, which do not change: constants, comparisons, parts."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.check.addresses import octets_constant
from pyebpf.dsl.check.arrays import element
from pyebpf.dsl.check.convert import fitting, literal, to_int
from pyebpf.dsl.check.memory import MEMORY
from pyebpf.dsl.check.text import either, is_text
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.typed import Expr, Literal
from pyebpf.dsl.typed_kernel import MemoryRead
from pyebpf.dsl.typed_octets import NumberOctets, OctetsData, OctetsPart, OctetsSame
from pyebpf.dsl.types import BOOL, Pointer, Space, shown
from pyebpf.ir.nodes import CompareOp
from pyebpf.spec.types import IPV4, IPV6, U8, U32, Octets

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

_AS_TEXT = "texts, such as `comm()`, are compared with a `str`: leave out the `b`"
#: What may change a variable while it is evaluated.
_MAY_ASSIGN = (typed.Bind, typed.Inlined, typed.Choice)


def is_octets(expr: Expr) -> bool:
    """Tell whether something is bytes or an IP address."""
    return isinstance(expr.type, Octets)


def made(function: Any, kind: Octets, node: ast.Call, scope: Scope) -> Expr:
    """Check ``IPv4Address("127.0.0.1")`` of a constant.

    Raises:
        Fault: the argument is not constant, or no address.
    """
    span = scope.span(node)
    given = scope.expr(node.args[0]) if len(node.args) == 1 and not node.keywords else None
    if not isinstance(given, (typed.Text, Literal, OctetsData)):
        word = "ipv4(…)" if kind == IPV4 else "ipv6(…)"
        advice = f"an address that is not constant is made by `{word}`"
        why = "takes one constant in a probe"
        raise Fault(WrongCall(span, name=function.__name__, why=why, advice=advice))
    try:
        found = octets_constant(function(given.value), span)
    except ValueError:
        found = None
    if found is None:
        raise Fault(Mismatch(given.span, expected=f"an {kind}", got=repr(given.value)))
    return found


def compare_octets(op: CompareOp, left: Expr, right: Expr, scope: Scope, node: ast.AST) -> Expr:
    """Check a comparison of bytes, or of IP addresses.

    Raises:
        Fault: they are of different kinds, or an order is asked for.
    """
    one, other = left.type, right.type
    if not isinstance(one, Octets) or not isinstance(other, Octets) or one.role != other.role:
        wanted = one if isinstance(one, Octets) else other
        stranger = right if isinstance(one, Octets) else left
        advice = _AS_TEXT if is_text(stranger) else ""
        raise Fault(Mismatch(stranger.span, f"`{wanted}`", shown(stranger.type), advice))
    if op not in (CompareOp.EQ, CompareOp.NE):
        raise scope.unsupported(node, f"an order of `{one}`", "compare with == or !=")
    span, equal = scope.span(node), op is CompareOp.EQ
    if isinstance(left, OctetsData) and isinstance(right, OctetsData):
        return literal((left.value == right.value) is equal, span)
    if one.length != other.length:
        return literal(not equal, span)
    if isinstance(left, OctetsData):
        left, right = right, left
    if isinstance(right, _MAY_ASSIGN):
        left = scope.keep(left)[0]
    return OctetsSame(BOOL, span, op, left, right)


def octets_part(base: Expr, node: ast.Subscript, scope: Scope) -> Expr:
    """Check ``data[0]`` and ``data[1:3]``.

    Raises:
        Fault: an address has no parts; a bound is not constant; a slice is empty.
    """
    kind, span = base.type, scope.span(node)
    assert isinstance(kind, Octets)
    if kind.role != "bytes":
        raise Fault(Mismatch(span, expected="something with elements", got=shown(kind)))
    if not isinstance(node.slice, ast.Slice):
        index = scope.expr(node.slice)
        if isinstance(base, OctetsData) and isinstance(index, Literal):
            return _constant_element(base, index)
        return element(base, index, span)
    if node.slice.step is not None:
        raise scope.unsupported(node.slice.step, "a step of a slice", "leave it out")
    bounds = [_bound(part, scope) for part in (node.slice.lower, node.slice.upper)]
    start, stop, _ = slice(*bounds).indices(kind.length)
    if stop <= start:
        raise scope.unsupported(node.slice, "an empty slice of bytes")
    part = Octets(U8, stop - start)
    if isinstance(base, OctetsData):
        return OctetsData(part, span, base.value[start:stop])
    return OctetsPart(part, span, base, start)


def octets_affix(base: Expr, name: str, node: ast.Call, scope: Scope) -> Expr:
    """Check ``data.startswith(…)``, ``data.endswith(…)``, of constant bytes or a tuple of them.

    Raises:
        Fault: the argument is something else, or an address is asked.
    """
    span = scope.span(node)
    given = _only(node, name, scope)
    choices = given.items if isinstance(given, typed.Pack) else (given,)
    several = len(choices) > 1 and not isinstance(base, OctetsData)
    value, again = scope.temporary(base) if several else (base, base)
    found: Expr = literal(False, span)
    for choice in choices:
        one = _affix(value, name, choice, span)
        value = value if isinstance(one, Literal) else again
        found = either(found, one, span)
    return found


def _affix(base: Expr, name: str, given: Expr, span: Span) -> Expr:
    kind = base.type
    if not isinstance(given, OctetsData) or not isinstance(given.type, Octets):
        raise Fault(Mismatch(given.span, expected="constant bytes", got=shown(given.type)))
    assert isinstance(kind, Octets)
    if kind.role != "bytes" or given.type.role != "bytes":
        raise Fault(Mismatch(base.span, expected="bytes", got=shown(kind)))
    length = len(given.value)
    if length > kind.length:
        return literal(False, span)
    start = 0 if name == "startswith" else kind.length - length
    if isinstance(base, OctetsData):
        return literal(base.value[start : start + length] == given.value, span)
    part = OctetsPart(given.type, span, base, start)
    return OctetsSame(BOOL, span, CompareOp.EQ, part, given)


def _constant_element(base: OctetsData, index: Literal) -> Expr:
    at, length = int(index.value), len(base.value)
    if not -length <= at < length:
        wanted = f"an index from {-length} to {length - 1}"
        raise Fault(Mismatch(index.span, expected=wanted, got=str(at)))
    return literal(base.value[at], index.span)


def _bound(node: ast.expr | None, scope: Scope) -> int | None:
    if node is None:
        return None
    bound = scope.expr(node)
    if not isinstance(bound, Literal):
        advice = "write a number, or a constant of the module"
        raise scope.unsupported(node, "a bound that is not constant", advice)
    return int(bound.value)


def _only(node: ast.Call, name: str, scope: Scope) -> Expr:
    if len(node.args) != 1 or node.keywords:
        raise Fault(WrongCall(scope.span(node), name=name, why="takes one argument by position"))
    return scope.expr(node.args[0])


def _ipv4(node: ast.Call, scope: Scope) -> Expr:
    given = _only(node, "ipv4", scope)
    if isinstance(given.type, Octets) and given.type.length == IPV4.length:
        return OctetsPart(IPV4, scope.span(node), given, 0)
    return NumberOctets(IPV4, scope.span(node), to_int(fitting(given, U32.bits), U32))


def _ipv6(node: ast.Call, scope: Scope) -> Expr:
    given, span = _only(node, "ipv6", scope), scope.span(node)
    if isinstance(given.type, Octets) and given.type.length == IPV6.length:
        return OctetsPart(IPV6, span, given, 0)
    if isinstance(given, typed.KernelPlace):
        leaf = given.path.steps[-1].type
        if scope.unit.kernel.size(leaf) == IPV6.length:
            return _read(MEMORY["addressof"](node, scope), span)
    expected, advice = "16 bytes", "`sk.__sk_common.skc_v6_daddr`, for example"
    raise Fault(Mismatch(given.span, expected=expected, got=shown(given.type), advice=advice))


def _read(address: Expr, span: Span) -> Expr:
    assert isinstance(address.type, Pointer)
    user = address.type.space is Space.USER
    return MemoryRead(IPV6, span, Space.USER if user else Space.KERNEL, address)


#: By the name that marks them in ``pyebpf.dsl.builtins``.
OCTETS = {"ipv4": _ipv4, "ipv6": _ipv6}
