"""Making a value fit where it is used: widths, None, tuples, text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl import typed
from pyebpf.dsl.check.arith import holding
from pyebpf.dsl.check.effects import after, following
from pyebpf.dsl.faults import Fault, Mismatch, TooLarge, UnguardedLookup
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.shared import Global
from pyebpf.dsl.typed import Cast, Choice, Expr, Literal, Read, Truth, Variable
from pyebpf.dsl.typed_context import ContextField, PacketAt, PacketCopy
from pyebpf.dsl.typed_kernel import (
    HelperCall,
    KfuncCall,
    MemoryRead,
    MemoryText,
    PerCpu,
    ResizedText,
)
from pyebpf.dsl.typed_maps import Taken
from pyebpf.dsl.typed_places import MakeArray
from pyebpf.dsl.types import (
    BOOL,
    I64,
    NONE,
    U64,
    Address,
    Array,
    Bool,
    Chars,
    Int,
    KernelRef,
    Maybe,
    NoneType,
    Place,
    Pointer,
    Record,
    Space,
    Static,
    Tuple,
    ValueType,
    in_memory,
    is_number,
    shown,
)
from pyebpf.spec.kernel_fields import kernel_fields
from pyebpf.spec.types import Octets

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.spec.types import DataType


#: What may have given None, other than a map.
_SOURCES: dict[type[Expr], str] = {
    MemoryRead: "what is read here",
    KfuncCall: "what this function of the kernel gives",
    PerCpu: "the variable of that CPU",
    HelperCall: "what this helper gives",
    Taken: "what this method gives",
    PacketAt: "a look into a packet",
    PacketCopy: "a look into a packet",
    ContextField: "a pointer of the context",
}


def literal(value: int, span: Span) -> Literal:
    """Return a constant."""
    if isinstance(value, bool):
        return Literal(BOOL, span, value)
    kind = holding((value, value), prefer_unsigned=value >= 0)
    if kind is None:
        raise Fault(TooLarge(span, value=str(value)))
    return Literal(kind, span, value)


def need_value(expr: Expr) -> Expr:
    """Refuse a value that can be None."""
    if isinstance(expr.type, Maybe):
        if not isinstance(expr, Read):
            source = _SOURCES.get(type(expr), UnguardedLookup.source)
            raise Fault(UnguardedLookup(expr.span, source=source))
        name, origin = expr.variable.name, expr.variable.origin
        guard = f"`if {name} is not None:`"
        raise Fault(UnguardedLookup(expr.span, guard, f"`{name}`", origin))
    return expr


def need_number(expr: Expr) -> Expr:
    """Return a number; truth values become 0 and 1, addresses their 64 bits."""
    need_value(expr)
    if isinstance(expr.type, Int):
        return expr
    if isinstance(expr.type, Bool):
        if isinstance(expr, Literal):
            return literal(int(expr.value), expr.span)
        return Ranged(U64, expr.span, expr, (0, 1))
    if isinstance(expr.type, (Address, Pointer)):
        return Cast(U64, expr.span, expr)
    raise Fault(
        Mismatch(expr.span, expected="a number", got=shown(expr.type), advice=_inside(expr))
    )


def _inside(expr: Expr) -> str:
    """Say how to come at the number in a thing that holds some."""
    value = expr.type.value if isinstance(expr.type, Static) else None
    if isinstance(value, Global):
        return "its value is `.value`"
    if isinstance(value, MapDecl):
        return "a value of it is `.get(key)`, or `[index]` of an array"
    return ""


class Ranged(Cast):
    """A conversion whose result is known to be small."""

    def __init__(self, kind: ValueType, span: Span, value: Expr, known: tuple[int, int]) -> None:
        super().__init__(kind, span, value)
        self.known = known

    @property
    def range(self) -> tuple[int, int] | None:
        return self.known


def to_int(expr: Expr, kind: Int) -> Expr:
    """Convert a number to a width, wrapping."""
    expr = need_number(expr)
    if expr.type == kind:
        return expr
    if isinstance(expr, Literal):
        return Literal(kind, expr.span, kind.wrap(int(expr.value)))
    known = expr.range
    if known and kind.low <= known[0] and known[1] <= kind.high:
        return Ranged(kind, expr.span, expr, known)
    return Cast(kind, expr.span, expr)


def fitting(expr: Expr, bits: int) -> Expr:
    """Return a number that has at most so many bits; one that has more ends the program.

    Raises:
        Fault: no value that it can have fits.
    """
    value, most = need_number(expr), (1 << bits) - 1
    low, high = value.range or (0, most)
    if low >= 0 and high <= most:
        return value
    if high < 0 or low > most:
        advice = f"`cast(u{bits}, …)` takes the low {bits} bits"
        expected = f"a number from 0 to 2**{bits} - 1"
        got = str(low) if low == high else str(value.type)
        raise Fault(Mismatch(value.span, expected=expected, got=got, advice=advice))
    return typed.Fitting(U64, value.span, value, most)


def to_bool(expr: Expr) -> Expr:
    """Return Python's truth of a value."""
    kind = expr.type
    if isinstance(kind, Bool):
        return expr
    if isinstance(expr, Literal):
        return Literal(BOOL, expr.span, bool(expr.value))
    if isinstance(expr, typed.Text):
        return Literal(BOOL, expr.span, bool(expr.value))
    if isinstance(kind, NoneType):
        return after(expr, Literal(BOOL, expr.span, False))
    if isinstance(kind, (Int, Address, Pointer, Maybe, Chars)):
        return Truth(BOOL, expr.span, expr)
    if isinstance(kind, (Tuple, Record)):
        return Literal(BOOL, expr.span, kind != Tuple(()))
    raise Fault(Mismatch(expr.span, expected="a truth value", got=shown(kind)))


def to_data(  # noqa: PLR0911 - one return for each kind of data
    expr: Expr, kind: DataType, what: str = ""
) -> Expr:
    """Convert a value to what is kept in memory under a type.

    Raises:
        Fault: it does not fit.
    """
    need_value(expr)
    _check_copyable(expr, kind)
    if isinstance(kind, Int) and isinstance(expr.type, (Int, Bool, Address, Pointer)):
        return to_int(expr, kind)
    if isinstance(kind, Bool) and isinstance(expr.type, (Int, Bool)):
        return to_bool(expr)
    if isinstance(kind, Address) and isinstance(expr.type, (Pointer, Address, Int)):
        return _to_address(expr, kind)
    if isinstance(kind, Record) and isinstance(expr, typed.Pack):
        return _to_tuple(expr, kind)
    if isinstance(kind, Array) and isinstance(expr.type, Array):
        return _to_array(expr, kind)
    if isinstance(kind, Chars) and isinstance(expr, typed.Text):
        return _fit_text(expr, kind)
    if isinstance(kind, Chars) and isinstance(expr.type, Chars):
        return expr if expr.type == kind else ResizedText(kind, expr.span, expr)
    if isinstance(kind, Record) and record_of(expr.type) == kind:
        return expr
    if isinstance(kind, Chars) and points_to_text(expr.type):
        return text_behind(expr, kind.length)
    expected = f"{what} of type `{kind}`" if what else f"`{kind}`"
    raise Fault(Mismatch(expr.span, expected=expected, got=shown(expr.type)))


_TEXT = frozenset({"char", "unsigned char", "signed char"})


def points_to_text(kind: ValueType) -> bool:
    """Tell whether a type is C's ``char *``: a pointer to text in the kernel or a process."""
    if not isinstance(kind, Pointer) or not isinstance(kind.to, KernelRef):
        return False
    words = (word for word in kind.to.name.split() if word not in ("const", "volatile"))
    return " ".join(words) in _TEXT


def text_behind(expr: Expr, size: int) -> Expr:
    """Return the text that a pointer points to, as much of it as ``size`` bytes have room for."""
    assert isinstance(expr.type, Pointer)
    space = Space.USER if expr.type.space is Space.USER else Space.KERNEL
    return MemoryText(Chars(size), expr.span, space, expr)


def _check_copyable(expr: Expr, kind: DataType) -> None:
    found = kernel_fields(kind)
    if found and (kind in found or not isinstance(expr, typed.MakeRecord)):
        raise Fault(
            Mismatch(
                expr.span,
                expected="a value that can be copied",
                got=f"{kind}",
                advice=f"the kernel keeps its `{found[0]}` in place: copy the other fields",
            )
        )


def record_of(kind: ValueType) -> ValueType | None:
    """Return the record that a pointer points to, or the type itself."""
    if isinstance(kind, Pointer) and isinstance(kind.to, Record):
        return kind.to
    return kind


def _to_address(expr: Expr, kind: Address) -> Expr:
    have = expr.type
    struct = have.struct if isinstance(have, Address) else ""
    if isinstance(have, Pointer) and have.space not in (Space.MAP, Space.STACK, Space.RING):
        struct = getattr(have.to, "name", "").removeprefix("struct ")
    if kind.struct and struct and struct != kind.struct:
        raise Fault(Mismatch(expr.span, expected=f"`{kind}`", got=f"Ptr[{struct}]"))
    return Cast(kind, expr.span, expr) if expr.type != kind else expr


def _to_tuple(expr: typed.Pack, kind: Record) -> Expr:
    if len(expr.items) != len(kind.fields):
        raise Fault(
            Mismatch(expr.span, expected=f"{len(kind.fields)} values", got=shown(expr.type))
        )
    items = tuple(
        (field, to_data(item, field.type))
        for field, item in zip(kind.fields, expr.items, strict=True)
    )
    return typed.MakeRecord(kind, expr.span, items)


def _to_array(expr: Expr, kind: Array) -> Expr:
    if expr.type == kind:
        return expr
    have = expr.type
    if (
        isinstance(kind, Octets)
        or not isinstance(expr, MakeArray)
        or not isinstance(have, Array)
        or have.length != kind.length
    ):
        raise Fault(Mismatch(expr.span, expected=f"`{kind}`", got=shown(have)))
    return MakeArray(kind, expr.span, tuple(to_data(item, kind.element) for item in expr.items))


def _fit_text(expr: typed.Text, kind: Chars) -> Expr:
    size = len(expr.value.encode())
    if size > kind.length:
        raise Fault(
            Mismatch(
                expr.span,
                expected=f"at most {kind.length} bytes of text",
                got=f"{size} bytes",
                advice="make the field longer: chars(…)",
            )
        )
    return typed.TextData(kind, expr.span, expr.value)


def join(  # noqa: PLR0911 - one return for each pair of types
    left: ValueType | None, right: ValueType
) -> ValueType | None:
    """Return the type of a variable that holds either; None if there is none."""
    if left is None or left == right:
        return right
    if isinstance(left, NoneType):
        return right if isinstance(right, Maybe) else _maybe(right)
    if isinstance(right, NoneType):
        return left if isinstance(left, Maybe) else _maybe(left)
    if isinstance(left, Maybe) or isinstance(right, Maybe):
        inner = join(_inner(left), _inner(right))
        return _maybe(inner) if inner is not None else None
    if isinstance(left, Int) and isinstance(right, Int):
        return U64 if U64 in (left, right) else I64  # the caller knows the ranges and refines this
    if isinstance(left, (Int, Bool)) and isinstance(right, (Int, Bool)):
        return left if isinstance(left, Int) else right
    if isinstance(left, Pointer) and isinstance(right, Pointer) and left.to == right.to:
        own = {left.space, right.space} == {Space.MAP, Space.STACK}
        return Pointer(Space.MAP if own else Space.KERNEL, left.to)
    return None


def _inner(kind: ValueType) -> ValueType:
    return kind.inner if isinstance(kind, Maybe) else kind


def _maybe(kind: ValueType) -> ValueType | None:
    if isinstance(kind, (Static, NoneType, Maybe, Tuple, Place)) or (
        in_memory(kind) and not isinstance(kind, Pointer)
    ):
        return None
    return Maybe(kind)


def assign_to(variable: Variable, expr: Expr) -> Expr:
    """Widen a variable's type for one more assignment, and convert the value to it."""
    origin = variable.origin
    _note_origin(variable, expr)
    is_optional = isinstance(variable.type, Maybe)
    if variable.fixed is not None and not is_optional and is_number(need_value(expr).type):
        kind = variable.fixed
        variable.type, variable.range = kind, (kind.low, kind.high)
        return to_int(expr, kind)
    have, new = variable.type, expr.type
    joined = join(have, new)
    if joined is None or isinstance(new, (Static, Place, Tuple)):
        was = shown(have) if have is not None and joined is None else "a value"
        expected = f"`{was}`, as before" if have else was
        began = f"it is `{shown(have)}` here"
        advice = "" if have else "give the parts one by one, or in a record"
        raise Fault(Mismatch(expr.span, expected, shown(new), advice, began, origin))
    variable.type, variable.range = _widened(variable, joined, expr)
    return as_type(expr, variable.type)


def _note_origin(variable: Variable, expr: Expr) -> None:
    can_be_none = isinstance(expr.type, (Maybe, NoneType))
    if variable.origin is None or (can_be_none and not variable.can_be_none):
        variable.origin, variable.can_be_none = expr.span, can_be_none


def _widened(
    variable: Variable, joined: ValueType, expr: Expr
) -> tuple[ValueType, tuple[int, int] | None]:
    """Return a joined type at a width that holds all numbers, and which these are, None aside."""
    kind, new = _inner(joined), _inner(expr.type)
    if not isinstance(kind, Int):
        return joined, None
    if isinstance(new, NoneType):
        return joined, variable.range
    found = expr.range or ((new.low, new.high) if isinstance(new, Int) else (0, 1))
    wide, known = _int_variable(variable, found)
    if not isinstance(joined, Maybe):
        return wide, known
    if variable.fixed is not None:
        wide, known = variable.fixed, (variable.fixed.low, variable.fixed.high)
    is_one_type = variable.type in (None, NONE) or variable.type == joined == _maybe(new)
    return joined if is_one_type else Maybe(wide), known


def _int_variable(variable: Variable, new: tuple[int, int]) -> tuple[Int, tuple[int, int]]:
    old = variable.range
    if old is not None:
        new = (min(old[0], new[0]), max(old[1], new[1]))
    kind = holding(new, prefer_unsigned=new[0] >= 0)
    if kind is None:
        kind = U64
        return kind, (kind.low, kind.high)
    return kind, new


def as_type(expr: Expr, kind: ValueType) -> Expr:
    """Convert to a type that ``join`` made from the expression's own."""
    if expr.type == kind:
        return expr
    if isinstance(kind, Maybe):
        if expr.type == NONE or isinstance(expr.type, Maybe):
            return Cast(kind, expr.span, expr)
        return Cast(kind, expr.span, as_type(expr, kind.inner))
    if isinstance(kind, Int):
        return to_int(expr, kind)
    if isinstance(kind, Bool):
        return to_bool(expr)
    return Cast(kind, expr.span, expr)


def choice(condition: Expr, then: Expr, other: Expr, span: Span) -> Expr:
    """Return ``then if condition else other`` at the type that holds both."""
    then, other = _equally_long(then, other)
    pseudo = Variable("", None, None)
    for side in (then, other):
        kind = join(pseudo.type, side.type)
        if kind is None and isinstance(side.type, Static):
            advice = "write `if`, with one in each branch"
            raise Fault(Mismatch(side.span, "the same in both cases", shown(side.type), advice))
        if kind is None:
            raise Fault(Mismatch(side.span, expected=f"`{pseudo.type}`", got=shown(side.type)))
        pseudo.type, pseudo.range = _widened(pseudo, kind, side)
    assert pseudo.type is not None
    made = Choice(
        pseudo.type, span, condition, as_type(then, pseudo.type), as_type(other, pseudo.type)
    )
    if pseudo.range is not None:
        return Ranged(pseudo.type, span, made, pseudo.range)
    return made


def _equally_long(*texts: Expr) -> tuple[Expr, ...]:
    """Return two texts at the length that holds both; what is no text as it is."""
    sizes = [_room(text) for text in texts]
    if 0 in sizes:
        return texts
    return tuple(to_data(text, Chars(max(sizes))) for text in texts)


def _room(text: Expr) -> int:
    """Return how many bytes a text needs; 0 if it is none."""
    if isinstance(text, typed.Text):
        return max(1, len(text.value.encode()))
    return text.type.length if isinstance(text.type, Chars) else 0


def tuple_in_memory(expr: Expr) -> typed.Pack | None:
    """Return the items of a tuple that a map keeps; None if it is something else."""
    kind, span = record_of(expr.type), expr.span
    if isinstance(expr, typed.Pack) or not isinstance(kind, Record) or not kind.is_tuple:
        return None
    inner = expr.value if isinstance(expr, typed.Unwrap) else expr
    named = isinstance(inner, (Read, typed.EntryKey, typed.EntryValue))
    kept = Variable("", expr.type)
    base = expr if named else Read(expr.type, span, kept)
    items: list[Expr] = [typed.RecordField(f.type, span, base, f) for f in kind.fields]
    if not named:  # found once, before the first item
        found = typed.Evaluate(span, typed.Bind(expr.type, span, kept, expr))
        items[0] = following([found], items[0])
    return pack(items, span)


def pack(items: tuple[Expr, ...] | list[Expr], span: Span) -> typed.Pack:
    """Return a tuple of expressions."""
    return typed.Pack(Tuple(tuple(item.type for item in items)), span, tuple(items))
