"""Functions that the compiler treats by itself: some of Python's, and some of ours."""

from __future__ import annotations

import ast
import builtins
from functools import partial
from typing import TYPE_CHECKING, Any

from pyebpf.abi.helpers import HELPERS
from pyebpf.dsl import typed
from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.check.byte_order import ORDERS, SOCKET_ORDERS
from pyebpf.dsl.check.convert import (
    choice,
    literal,
    need_number,
    pack,
    to_bool,
    tuple_in_memory,
)
from pyebpf.dsl.check.dicts import dict_of
from pyebpf.dsl.check.effects import after
from pyebpf.dsl.check.kernel_config import kernel_config
from pyebpf.dsl.check.kfuncs import has_kfunc, kernel_context
from pyebpf.dsl.check.maps import atomic_function
from pyebpf.dsl.check.memory import MEMORY
from pyebpf.dsl.check.number import arithmetic, compare_numbers
from pyebpf.dsl.check.objects import need_helper
from pyebpf.dsl.check.octets import OCTETS
from pyebpf.dsl.check.printing import print_line
from pyebpf.dsl.check.reduce import extreme_of, over_items
from pyebpf.dsl.check.shared import FETCHES
from pyebpf.dsl.check.slices import text_length, text_ord
from pyebpf.dsl.check.variables import has_variable
from pyebpf.dsl.faults import Fault, Mismatch, UnknownType, WrongCall
from pyebpf.dsl.maps import Numbered
from pyebpf.dsl.typed_kernel import ContextPointer, HelperCall
from pyebpf.dsl.types import (
    BOOL,
    U64,
    Array,
    Chars,
    KernelRef,
    Pointer,
    Space,
    Static,
    has_items,
    shown,
)
from pyebpf.ir.nodes import BinaryOp, CompareOp, FieldPath
from pyebpf.kernel import KernelType
from pyebpf.spec.objects import CoreKind
from pyebpf.spec.types import U32, Bool, Int, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.typed import Expr

_COMM = 16


def _arguments(node: ast.Call, name: str, least: int, most: int, scope: Scope) -> list[Expr]:
    if node.keywords or not least <= len(node.args) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        why = f"takes {wanted} argument{'s' * (wanted != '1')} by position"
        why = why if most else "takes no arguments"
        raise Fault(WrongCall(scope.span(node), name=name, why=why))
    return [scope.expr(arg) for arg in node.args]


def _comm(node: ast.Call, scope: Scope) -> Expr:
    _arguments(node, "comm", 0, 0, scope)
    return typed.Comm(Chars(_COMM), scope.span(node))


def _attach_cookie(node: ast.Call, scope: Scope) -> Expr:
    _arguments(node, "attach_cookie", 0, 0, scope)
    span, row = scope.span(node), HELPERS["get_attach_cookie"]
    need_helper(row, "attach_cookie()", span, scope)
    return HelperCall(U64, span, row.name, (ContextPointer(Pointer(Space.CTX), span),))


def _current_task(node: ast.Call, scope: Scope) -> Expr:
    _arguments(node, "current_task", 0, 0, scope)
    found = scope.unit.kernel.find("task_struct")
    if found is None:
        raise Fault(UnknownType(scope.span(node), name="task_struct"))
    trusted = scope.unit.target.has("helper:get_current_task_btf")
    helper, space = (
        ("get_current_task_btf", Space.BTF) if trusted else ("get_current_task", Space.KERNEL)
    )
    return typed.CurrentTask(Pointer(space, found), scope.span(node), helper)


def kernel_type(expr: Expr, scope: Scope) -> KernelRef:
    """Return the kernel type that an argument names.

    Raises:
        Fault: it names none, or the target has no such type.
    """
    value = expr.type.value if isinstance(expr.type, Static) else None
    if not isinstance(value, KernelType):
        raise Fault(Mismatch(expr.span, expected="a kernel type", got=shown(expr.type)))
    found = scope.unit.kernel.find(value.kernel_name)
    if found is None:
        near = scope.unit.kernel.similar(value.kernel_name)
        close = f"; did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""
        raise Fault(UnknownType(expr.span, name=value.kernel_name, close=close))
    return found


def _has_field(node: ast.Call, scope: Scope) -> Expr:
    args = _arguments(node, "has_field", 2, 2, scope)
    span = scope.span(node)
    if not isinstance(args[1], typed.Text):
        raise Fault(Mismatch(args[1].span, expected="a field's name", got=shown(args[1].type)))
    root = kernel_type(args[0], scope)
    owner, path = root, FieldPath(root, ())
    for name in args[1].value.split("."):
        if not scope.unit.kernel.has_members(owner):
            expected = "a path inside one struct"
            raise Fault(Mismatch(args[1].span, expected=expected, got=f"{owner.name} .{name}"))
        step = scope.unit.kernel.member(owner, name)
        if step is None:
            # Nothing is known of a field that the target lacks, so nothing can be asked of the
            # kernel that runs the program: the answer is the target's.
            scope.unit.note_choice(f"{root.name} has no {args[1].value}: what needs it is left out")
            return literal(False, span)
        path = FieldPath(root, (*path.steps, step))
        owner = step.type
    scope.unit.note_choice(f"{root.name} has {args[1].value}")
    return typed.CoreQuestion(BOOL, span, CoreKind.FIELD_EXISTS, path)


def _sizeof(node: ast.Call, scope: Scope) -> Expr:
    (arg,) = _arguments(node, "sizeof", 1, 1, scope)
    span = scope.span(node)
    record = getattr(getattr(arg.type, "value", None), "__pyebpf_record__", None)
    if isinstance(record, Record):
        return literal(record.size, span)
    plain = data_type(getattr(arg.type, "value", None))
    if isinstance(plain, (Int, Bool)):
        return literal(plain.size, span)
    root = kernel_type(arg, scope)
    return typed.CoreQuestion(U32, span, CoreKind.TYPE_SIZE, FieldPath(root, ()))


def _extreme(name: str) -> Callable[[ast.Call, Scope], Expr]:
    def check(node: ast.Call, scope: Scope) -> Expr:
        if len(node.args) == 1 and all(k.arg == "default" for k in node.keywords):
            return over_items(name, node, scope)
        args = _arguments(node, name, 2, 12, scope)
        return extreme_of(name, [need_number(arg) for arg in args], scope.span(node), scope)

    return check


def _reduction(name: str, most: int) -> Callable[[ast.Call, Scope], Expr]:
    def check(node: ast.Call, scope: Scope) -> Expr:
        if not 1 <= len(node.args) <= most or any(k.arg != "start" for k in node.keywords):
            raise Fault(WrongCall(scope.span(node), name=name, why="takes something to loop over"))
        return over_items(name, node, scope)

    return check


def _divmod(node: ast.Call, scope: Scope) -> Expr:
    left, right = _arguments(node, "divmod", 2, 2, scope)
    span = scope.span(node)
    (keep_left, left), (keep_right, right) = scope.temporary(left), scope.temporary(right)
    quotient = arithmetic(BinaryOp.FLOORDIV, keep_left, keep_right, span)
    return pack([quotient, arithmetic(BinaryOp.MOD, left, right, span)], span)


def _abs(node: ast.Call, scope: Scope) -> Expr:
    (arg,) = _arguments(node, "abs", 1, 1, scope)
    span = scope.span(node)
    value, again = scope.temporary(need_number(arg))
    zero = literal(0, span)
    negative = compare_numbers(CompareOp.LT, value, zero, span)
    if isinstance(negative, typed.Literal) and not negative.value:
        return value
    return choice(negative, arithmetic(BinaryOp.SUB, zero, again, span), again, span)


def _int(node: ast.Call, scope: Scope) -> Expr:
    (arg,) = _arguments(node, "int", 1, 1, scope)
    return need_number(arg)


def _bool(node: ast.Call, scope: Scope) -> Expr:
    (arg,) = _arguments(node, "bool", 1, 1, scope)
    return to_bool(arg)


def _len(node: ast.Call, scope: Scope) -> Expr:
    (arg,) = _arguments(node, "len", 1, 1, scope)
    span = scope.span(node)
    arg = tuple_in_memory(arg) or arg
    if isinstance(arg, typed.Pack):
        return after(arg, literal(len(arg.items), span))
    if isinstance(arg, typed.Text):
        return literal(len(arg.value), span)
    table = dict_of(arg)
    if table is not None:
        return literal(len(table), span)
    if isinstance(arg.type, Array) and has_items(arg.type):
        return literal(arg.type.length, span)
    if isinstance(arg.type, Chars):
        return text_length(arg, node, scope)
    decl = arg.type.value if isinstance(arg.type, Static) else None
    if isinstance(decl, Numbered):
        return literal(decl.max_entries, span)
    raise Fault(Mismatch(arg.span, expected="a tuple, a text or an array", got=shown(arg.type)))


#: Our functions, by the name that marks them in ``pyebpf.dsl.builtins``.
SPECIALS: dict[str, Callable[[ast.Call, Scope], Expr]] = {
    "comm": _comm,
    "attach_cookie": _attach_cookie,
    "current_task": _current_task,
    "has_field": _has_field,
    "sizeof": _sizeof,
    **{name: partial(atomic_function, name) for name in FETCHES},
    **MEMORY,
    **ORDERS,
    **OCTETS,
    "has_kfunc": has_kfunc,
    "kernel_config": kernel_config,
    "kernel_context": kernel_context,
    "has_variable": has_variable,
}

#: Python's own.
BUILTINS: dict[Any, Callable[[ast.Call, Scope], Expr]] = {
    builtins.print: print_line,
    builtins.min: _extreme("min"),
    builtins.max: _extreme("max"),
    builtins.sum: _reduction("sum", 2),
    builtins.any: _reduction("any", 1),
    builtins.all: _reduction("all", 1),
    builtins.divmod: _divmod,
    builtins.abs: _abs,
    builtins.int: _int,
    builtins.bool: _bool,
    builtins.len: _len,
    builtins.ord: text_ord,
    **SOCKET_ORDERS,
}
