"""Methods of maps that are a call of one helper: checked by the rows of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi.helpers import HELPERS
from pyebpf.abi.names import prog_type_name
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.dsl.check.convert import need_number, need_value, to_data, to_int
from pyebpf.dsl.check.map_use import entry_type, key_of, use
from pyebpf.dsl.check.objects import need_helper
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.map_verbs import Gives
from pyebpf.dsl.typed import Cmp, Effect, Expr, Literal
from pyebpf.dsl.typed_kernel import ContextPointer, HelperCall, InMemory, MapArgument
from pyebpf.dsl.typed_maps import CountedCall, Taken
from pyebpf.dsl.types import BOOL, I64, NONE, U64, Maybe, Pointer, Space, shown
from pyebpf.ir.nodes import CompareOp
from pyebpf.spec.types import I32, U16, U32

if TYPE_CHECKING:
    from pyebpf.abi.helpers import Helper, Parameter
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.map_verbs import HelperVerb
    from pyebpf.dsl.maps import MapDecl
    from pyebpf.dsl.typed import MapUse
    from pyebpf.spec.types import DataType

#: Kinds of parameters that the caller gives, in the order of the helper's own.
_GIVEN = ("key", "value", "mem", "u16", "u32", "u64", "i32", "i64")
_NUMBERS = {"u16": U16, "u32": U32, "u64": U64, "i32": I32, "i64": I64}
_STORED = ("uninit_value", "uninit_mem")


def helper_verb(
    decl: MapDecl,
    name: str,
    args: list[Expr],
    words: dict[str, Expr],
    span: Span,
    scope: Scope,
) -> Expr:
    """Check ``declaration.name(args, word=…)`` by its row.

    Raises:
        Fault: the arguments do not fit, or programs of this kind have no such helper.
    """
    row = decl.verbs[name]
    made = use(decl, span, scope)
    helper = HELPERS[_helper_name(row, name, decl, span, scope)]
    need_helper(helper, f"`{name}`", span, scope)
    if row.default is not None and row.last in words:
        args, words = [*args, words[row.last]], {w: v for w, v in words.items() if w != row.last}
    flags = _flags(row, name, words, span)
    call = _Call(made, row, flags, scope)
    arguments = call.arguments(helper, name, args, span)
    given = tuple(argument for argument in arguments if argument is not None)
    if row.gives is Gives.TAKEN:
        kind = call.stored
        assert kind is not None
        return Taken(Maybe(kind), span, helper.name, arguments)
    if row.gives is Gives.ENTRY:
        return HelperCall(_entry(made, span), span, helper.name, given)
    whole = HelperCall(I64, span, helper.name, given)
    if row.gives is Gives.LOST:
        return Effect(NONE, span, CountedCall(span, made, whole))
    if row.gives is Gives.NUMBER:
        return whole
    wanted = 0 if row.gives is Gives.TRUTH else 1
    return Cmp(BOOL, span, CompareOp.EQ, whole, Literal(I64, span, wanted), I64)


def _entry(made: MapUse, span: Span) -> Pointer:
    kind = entry_type(made)
    if not isinstance(kind, Pointer):
        why, advice = f"gives an entry, and this is `{kind}`", "declare a record as the value"
        raise Fault(WrongCall(span, name="get", why=why, advice=advice))
    return kind


def _helper_name(row: HelperVerb, name: str, decl: MapDecl, span: Span, scope: Scope) -> str:
    if isinstance(row.helper, str):
        return row.helper
    kind = PROGRAM_KINDS[scope.unit.hook_kind]
    found = row.helper.get(prog_type_name(kind.prog_type), row.helper.get(""))
    if found is None:
        why = f"of {type(decl).__name__} is for other programs than {scope.unit.hook_kind}"
        advice = f"it is for programs of the types {', '.join(row.helper)}"
        raise Fault(WrongCall(span, name=name, why=why, advice=advice))
    return found


def _flags(row: HelperVerb, name: str, words: dict[str, Expr], span: Span) -> int:
    flags = row.flags
    for word, value in words.items():
        if word not in row.words:
            have = ", ".join([*([row.last] if row.default is not None else []), *row.words])
            why = f"takes no argument called `{word}`"
            advice = f"it takes {have}" if have else "pass it by position"
            raise Fault(WrongCall(span, name=name, why=why, advice=advice))
        flags |= row.words[word] if constant_truth(value, word) else 0
    return flags


def constant_truth(value: Expr, word: str) -> bool:
    """Return a truth value that is known.

    Raises:
        Fault: it is not.
    """
    if not isinstance(value, Literal):
        raise Fault(
            Mismatch(value.span, expected=f"a constant for `{word}`", got=shown(value.type))
        )
    return bool(value.value)


class _Call:
    """One call while its arguments are put together."""

    def __init__(self, made: MapUse, row: HelperVerb, flags: int, scope: Scope) -> None:
        self.made, self.row, self.flags, self.scope = made, row, flags, scope
        #: The type of what the helper stores.
        self.stored: DataType | None = None
        self.size = 0

    def arguments(
        self, helper: Helper, name: str, args: list[Expr], span: Span
    ) -> tuple[Expr | None, ...]:
        """Return the helper's arguments; None stands for where it stores."""
        asked = (*_GIVEN, "uninit_value") if self.row.gives is Gives.TRUTH else _GIVEN
        wanted = [p for p in helper.args if p.kind in asked]
        most = len(wanted) + (self.row.default is not None)
        if not len(wanted) <= len(args) <= most:
            count = f"{len(wanted)}" if most == len(wanted) else f"{len(wanted)} or {most}"
            why = f"takes {count} argument{'s' * (count != '1')}, got {len(args)}"
            raise Fault(WrongCall(span, name=name, why=why))
        rest = iter(args)
        found = [
            self.given(parameter, next(rest))
            if parameter in wanted
            else self.fixed(parameter, span)
            for parameter in helper.args
        ]
        extra = next(rest, None)
        if extra is None:
            return tuple(found)
        number = to_int(need_number(need_value(extra)), U64)
        at = [p.kind for p in helper.args].index("flags")
        return (*found[:at], number, *found[at + 1 :])

    def fixed(self, parameter: Parameter, span: Span) -> Expr | None:
        """Return an argument that the caller does not give."""
        if parameter.kind == "map":
            return MapArgument(Pointer(Space.HANDLE), span, self.made)
        if parameter.kind == "ctx":
            return ContextPointer(Pointer(Space.CTX), span)
        if parameter.kind in _STORED:
            self.stored = self.made.decl.stored() or self.made.spec.value
            self.size = self.stored.size if self.stored else 0
            return None
        if parameter.kind == "flags":
            return Literal(U64, span, self.flags | (self.row.default or 0))
        return Literal(U32, span, self.size)

    def given(self, parameter: Parameter, expr: Expr) -> Expr:
        """Return an argument that the caller gave."""
        kind, spec = parameter.kind, self.made.spec
        if kind in _NUMBERS:
            return to_int(need_number(need_value(expr)), _NUMBERS[kind])
        if kind == "key":
            key = key_of(self.made, expr, self.scope)
            return InMemory(Pointer(Space.STACK), expr.span, key)
        value = self.made.decl.stored() or spec.value
        assert value is not None
        self.size = value.size
        data = to_data(need_value(expr), value, "a value")
        return InMemory(Pointer(Space.STACK), expr.span, data)
