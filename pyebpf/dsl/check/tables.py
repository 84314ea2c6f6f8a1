"""Maps of stacks and of programs: their verbs, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi.constants import BPF_F_REUSE_STACKID, BPF_F_SKIP_FIELD_MASK, BPF_F_USER_STACK
from pyebpf.dsl.check.elements import index_of
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.typed import Effect, Expr, Literal
from pyebpf.dsl.typed_maps import StackId, TailCall
from pyebpf.dsl.types import I64, NONE

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.stacks import StackTrace
    from pyebpf.dsl.tail import TailCalls
    from pyebpf.dsl.typed import MapUse


def stack_id(
    decl: StackTrace,
    made: tuple[MapUse, MapUse | None],
    name: str,
    args: list[Expr],
    span: Span,
) -> Expr:
    """Check ``stacks.kernel(skip)`` and ``stacks.user(skip)``."""
    flags = BPF_F_USER_STACK if name == "user" else 0
    flags |= BPF_F_REUSE_STACKID if decl.replace else 0
    if args:
        skip = args[0]
        if not isinstance(skip, Literal) or not 0 <= int(skip.value) <= BPF_F_SKIP_FIELD_MASK:
            wanted = f"a constant from 0 to {BPF_F_SKIP_FIELD_MASK}"
            got = str(skip.value if isinstance(skip, Literal) else skip.type)
            raise Fault(Mismatch(skip.span, expected=wanted, got=got))
        flags |= int(skip.value)
    return StackId(I64, span, *made, flags)


def tail_call(decl: TailCalls, made: MapUse, index: Expr, span: Span, scope: Scope) -> Expr:
    """Check ``jumps.call(index)``.

    Raises:
        Fault: an entry is a program of another kind, or something is still held here.
    """
    if scope.held:
        why = f"cannot leave {scope.held[-1]}"
        raise Fault(WrongCall(span, name="call", why=why, advice="call it after the block"))
    unit = scope.unit
    slots = []
    for number, probe in enumerate(decl.probes):
        if probe is None:
            continue
        found = [(n, hook) for n, one, hook in unit.programs if one is probe]
        for name, hook in found[:1]:
            if hook.kind != unit.hook_kind:
                why = f"goes on in `{name}`, a {hook.kind} program, from a {unit.hook_kind} program"
                advice = "both must be of one kind"
                raise Fault(WrongCall(span, name="call", why=why, advice=advice))
            if name in unit.arguments:
                why = f"goes on in `{name}`, which reads arguments of its own USDT probe"
                advice = "read them here, and leave them in a map"
                raise Fault(WrongCall(span, name="call", why=why, advice=advice))
            slots.append((number, name))
    made.spec = made.spec.replace(slots=tuple(slots))
    return Effect(NONE, span, TailCall(span, made, index_of(made, index)))
