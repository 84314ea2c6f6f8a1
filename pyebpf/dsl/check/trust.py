"""Pointers of the kernel that its verifier may take for NULL, and how to read through them.

From a pointer that the verifier trusts it trusts some of the pointers behind it, and says of some
of these that they may be NULL: a load through one is refused unless it was tested. So the compiler
tests it, and reads zero where it is NULL, as every read of a bad address does.

The verifier finds the lists by name in the kernel's own types, and so does this module: a field
``d_inode`` of ``struct dentry__safe_trusted_or_null`` is such a field of a ``struct dentry``.

Source:  ``BTF_TYPE_SAFE_TRUSTED_OR_NULL`` and its like in ``kernel/bpf/verifier.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl.typed import Bind, Doubted, Expr, KernelRead, Read, Unwrap
from pyebpf.dsl.types import KernelRef, Pointer, Space
from pyebpf.ir.nodes import MemberStep

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope

_OR_NULL = ("trusted_or_null", "rcu_or_null")
_NEVER_NULL = ("trusted", "rcu")


def readable(base: Expr, scope: Scope) -> Expr:
    """Return a pointer to a kernel object as one that its members can be read through."""
    kind = base.type
    if isinstance(kind, Pointer) and kind.space is Space.BTF and may_be_null(base, scope):
        return Doubted(Pointer(Space.KERNEL, kind.to), base.span, base)
    return base


def may_be_null(expr: Expr, scope: Scope) -> bool:
    """Tell whether the verifier takes a pointer for one that may be NULL."""
    if isinstance(expr, KernelRead):
        return _is_trusted(expr.base, scope) and _is_or_null(expr, scope)
    held = _held(expr)
    return held is not None and held in scope.flow.doubtful


def of_pointer(value: Expr, scope: Scope) -> dict[str, bool]:
    """Return what :meth:`Flow.assign` is told of a value that a variable is given."""
    is_pointer = isinstance(value.type, Pointer) and value.type.space is Space.BTF
    untrusted = is_pointer and not _is_trusted(value, scope)
    return {"doubtful": may_be_null(value, scope), "untrusted": untrusted}


def _held(expr: Expr) -> str | None:
    """Return the name of the variable that an expression reads or has just set."""
    inner = expr.value if isinstance(expr, Unwrap) else expr
    return inner.variable.name if isinstance(inner, (Read, Bind)) else None


def _is_trusted(base: Expr, scope: Scope) -> bool:
    """Tell whether the verifier may trust a pointer. Of what is no field it is not known."""
    if not isinstance(base.type, Pointer) or base.type.space is not Space.BTF:
        return False
    if isinstance(base, KernelRead):
        listed = _is_in(base, _NEVER_NULL, scope) or _is_or_null(base, scope)
        return listed and _is_trusted(base.base, scope)
    return _held(base) not in scope.flow.untrusted


def _is_or_null(read: KernelRead, scope: Scope) -> bool:
    if _is_in(read, _OR_NULL, scope):
        return True
    is_rcu = scope.unit.kernel.is_rcu(read.path.steps[-1].type)
    return is_rcu and not _is_in(read, _NEVER_NULL, scope)


def _is_in(read: KernelRead, lists: tuple[str, ...], scope: Scope) -> bool:
    # The verifier compares the name of the innermost member with those of the outermost struct.
    last, owner = read.path.steps[-1], read.path.root
    if not isinstance(last, MemberStep) or not isinstance(owner, KernelRef):
        return False
    name = owner.name.removeprefix("struct ")
    return any(last.name in scope.unit.kernel.safe_members(name, each) for each in lists)
