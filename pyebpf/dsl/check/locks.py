"""Maps whose values hold locks: who may use them, and the blocks that hold one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.abi.constants import BPF_PROG_TYPE_TRACING
from pyebpf.abi.programs import PROGRAM_KINDS, has_kernel_fields
from pyebpf.dsl.check.convert import need_value
from pyebpf.dsl.faults import Fault, WrongCall
from pyebpf.dsl.faults_kernel import NoKernelFields
from pyebpf.dsl.maps import Array, Hash
from pyebpf.dsl.storage import Storage
from pyebpf.dsl.typed import Expr, RecordField, Stmt
from pyebpf.dsl.typed_locks import Locked
from pyebpf.dsl.types import Pointer, Space
from pyebpf.spec.kernel_fields import SPIN_LOCK, kernel_fields

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.maps import MapDecl
    from pyebpf.spec.objects import MapSpec

A_LOCK = "the block of a lock"
_NAMES = {"bpf_spin_lock": "SpinLock", "bpf_timer": "Timer"}
#: The helper that tells whether a kernel has them, and what to do without.
_NEEDS = {
    "bpf_spin_lock": ("spin_lock", "use atomic operations"),
    "bpf_timer": ("timer_init", "keep the time, and look at it at a later event (Linux 5.15)"),
}


def check_kernel_fields(decl: MapDecl, spec: MapSpec, span: Span, scope: Scope) -> None:
    """Check that a map can have the locks of its values, and this program use them.

    Raises:
        Fault: the kernel would refuse.
    """
    found = kernel_fields(spec.value)
    if not found:
        return
    name = _NAMES[found[0].name]
    if type(decl) not in (Hash, Array) and not isinstance(decl, Storage):
        why = f"cannot hold a {name}"
        advice = "declare a Hash or an Array"
        raise Fault(WrongCall(span, name=type(decl).__name__, why=why, advice=advice))
    if found.count(found[0]) > 1:
        why = f"has {found.count(found[0])} fields of type {name}; the kernel takes one"
        raise Fault(WrongCall(span, name=spec.name, why=why))
    hook = scope.unit.hook_kind
    if not has_kernel_fields(PROGRAM_KINDS[hook]):
        raise Fault(NoKernelFields(span, kind=hook, field=name))
    # All tracing programs have the same helpers; of a typed one, no kernel can be asked by trying.
    typed = PROGRAM_KINDS[hook].prog_type == BPF_PROG_TYPE_TRACING
    helper, without = _NEEDS[found[0].name]
    if typed and scope.unit.target.lacks(f"helper:{helper}@raw_tp"):
        advice = f"this kernel has no {name} for tracing programs: {without}"
        raise Fault(NoKernelFields(span, kind=hook, field=name, advice=advice))


def is_lock(expr: Expr) -> bool:
    """Tell whether an expression is the lock of a map entry."""
    return expr.type == SPIN_LOCK and isinstance(expr, RecordField)


def locked(node: ast.With, scope: Scope) -> list[Stmt] | None:
    """Check ``with entry.lock:``; None if it is no lock."""
    item = node.items[0]
    if len(node.items) != 1 or not isinstance(item.context_expr, ast.Attribute):
        return None
    lock = need_value(scope.expr(item.context_expr))
    if not is_lock(lock):
        return None
    assert isinstance(lock, RecordField)
    span = scope.span(item.context_expr)
    if item.optional_vars is not None:
        why = "gives nothing to name with `as`"
        raise Fault(WrongCall(span, name="with", why=why))
    if A_LOCK in scope.held:
        why = "is inside the block of another lock; the kernel lets a program hold one"
        raise Fault(WrongCall(span, name="with", why=why))
    base: Expr = lock
    while isinstance(base, RecordField):
        base = base.base
    if not isinstance(base.type, Pointer) or base.type.space is not Space.MAP:
        why = "needs the lock of a map entry"
        raise Fault(WrongCall(span, name="with", why=why, advice="look the entry up first"))
    scope.held = (*scope.held, A_LOCK)
    body = scope.block(node.body)
    scope.held = scope.held[:-1]
    return [Locked(span, lock, body)]
