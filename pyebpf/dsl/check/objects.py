"""Helpers: whether there is one, and pointers to kernel objects that the kernel vouches for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.dsl.check.contexts import Context
from pyebpf.dsl.check.convert import need_value
from pyebpf.dsl.check.pointers import as_pointer
from pyebpf.dsl.faults import Fault, Mismatch
from pyebpf.dsl.faults_kernel import NeedsFeature
from pyebpf.dsl.typed_kernel import ContextPointer
from pyebpf.dsl.types import Pointer, Space, Static, shown

if TYPE_CHECKING:
    from pyebpf.abi.helpers import Helper, Parameter
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.typed import Expr


def need_helper(row: Helper, name: str, span: Span, scope: Scope) -> None:
    """Check that the target has a helper for programs of this kind; ``name`` is how it was written.

    Raises:
        Fault: it has not.
    """
    kind = PROGRAM_KINDS.get(scope.unit.hook_kind)
    if kind is None or kind.needs_btf_id:
        return  # such a program cannot be tried without its hook: the verifier will say
    feature = f"helper:{row.name}@{kind.name}"
    if scope.unit.target.lacks(feature):
        what = f"{name} in a {scope.unit.hook_kind} probe"
        advice = "it may offer the helper to programs of another kind"
        raise Fault(NeedsFeature(span, what=what, feature=feature, since=row.since, advice=advice))


def vouched(parameter: Parameter, helper: str, expr: Expr, scope: Scope) -> Expr:
    """Check an argument that is such a pointer.

    Args:
        parameter: of the helper.
        helper: its name.
        expr: the argument.
        scope: where it stands.
    """
    context = expr.type.value if isinstance(expr.type, Static) else None
    if isinstance(context, Context) and parameter.kind == "ctx_or_sock":
        return ContextPointer(Pointer(Space.CTX), expr.span)
    expr = as_pointer(need_value(expr), scope)
    have = expr.type
    wanted = parameter.type or ("sock_common" if parameter.kind == "sock_common" else "")
    name = str(getattr(have, "to", "")).rpartition(" ")[2]
    if not isinstance(have, Pointer) or (wanted and parameter.kind == "btf" and name != wanted):
        raise Fault(Mismatch(expr.span, expected=f"`Ptr[{wanted or 'sock'}]`", got=shown(have)))
    if have.space is not Space.BTF:
        expected = f"a pointer that the kernel vouches for, as {helper} takes"
        advice = "pass an argument of the probe or current_task()"
        raise Fault(Mismatch(expr.span, expected=expected, got="an address", advice=advice))
    return expr
