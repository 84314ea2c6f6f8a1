"""What a program gives back, against what the kernel takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.abi.results import Result, result_of
from pyebpf.dsl.check.convert import need_number, to_data
from pyebpf.dsl.faults import Fault
from pyebpf.dsl.faults_kernel import WrongResult
from pyebpf.dsl.typed import Cast, Choice
from pyebpf.dsl.typed_kernel import CoreAnswer
from pyebpf.dsl.types import Int, NoneType

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.typed import Expr

_I32, _I64 = Int(32, signed=True), Int(64, signed=True)


def program_result(value: Expr | None, span: Span, scope: Scope) -> Expr | None:
    """Check ``return value`` of a program.

    Raises:
        Fault: the kernel would not take it, or needs one where there is none.
    """
    kind = scope.unit.hook_kind
    wanted = result_of(PROGRAM_KINDS[kind])
    if value is None or isinstance(value.type, NoneType):
        if wanted.decides:
            raise _wrong("no result", span, kind, wanted)
        return None
    number = need_number(value)
    _check_range(number, kind, wanted)
    return to_data(number, _I64 if wanted.wide else _I32)


def need_result(scope: Scope, span: Span) -> None:
    """Check that a program whose result decides does not run off its end.

    Raises:
        Fault: it may.
    """
    kind = scope.unit.hook_kind
    wanted = result_of(PROGRAM_KINDS[kind])
    if wanted.decides and scope.flow.live:
        raise _wrong("the end is reached without a result", span, kind, wanted)


def _check_range(number: Expr, kind: str, wanted: Result) -> None:
    if isinstance(number, Choice):
        _check_range(number.then, kind, wanted)
        _check_range(number.other, kind, wanted)
        return
    known = number.range
    if known is None or wanted.is_free or _is_enumerator(number):
        return
    low, high = known
    never = high < wanted.low or low > wanted.high
    # Of a typed result, such as that of an LSM hook, the verifier knows more than its type.
    sure = wanted.low <= low and high <= wanted.high
    if never or not (sure or kind.startswith(("lsm", "fmod_ret"))):
        got = str(low) if low == high else f"a number from {low} to {high}"
        raise _wrong(f"the result is {got}", number.span, kind, wanted)


def _is_enumerator(number: Expr) -> bool:
    # The loader fills it in, and the verifier sees it.
    return isinstance(number.value if isinstance(number, Cast) else number, CoreAnswer)


def _wrong(what: str, span: Span, kind: str, wanted: Result) -> Fault:
    ends = f"{wanted.low}" if wanted.low == wanted.high else f"{wanted.low} to {wanted.high}"
    told = "return what the kernel shall do" if wanted.is_free else f"the kernel takes {ends}"
    return Fault(WrongResult(span, what=what, kind=kind, wanted=told))
