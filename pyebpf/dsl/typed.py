"""The typed tree: what a probe means, after names and types are settled.

Every expression has a type and a span. Constants are folded, dead branches gone, inlined functions
expanded. ``pyebpf.dsl.lower.programs`` turns the tree into IR and decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from pyebpf.plain import Frozen, Plain
from pyebpf.spec.types import Bool, Int

if TYPE_CHECKING:
    import enum

    from pyebpf.diag import Span
    from pyebpf.dsl.maps import MapDecl
    from pyebpf.dsl.types import ValueType
    from pyebpf.ir.nodes import BinaryOp, CompareOp, FieldPath
    from pyebpf.spec.events import EventShape
    from pyebpf.spec.objects import CoreKind, MapSpec
    from pyebpf.spec.types import DataType, Field
    from pyebpf.spec.views import PrintSpec

Range: TypeAlias = tuple[int, int]


class Variable(Plain):
    """A local name. ``type`` and ``range`` are joined over all its assignments.

    ``fixed`` is the width at which all its values wrap: declared, or settled because the values
    grow in a loop. ``origin`` is where it got the first of its values, or the first that may be
    None, for messages. ``changed``: what is known of it was something else before, so who read it
    then saw less.
    """

    name: str
    type: ValueType | None = None
    range: Range | None = None
    fixed: Int | None = None
    #: It is a reserved record, and may be given up.
    reserved: bool = False
    discarded: bool = False
    origin: Span | None = None
    can_be_none: bool = False
    changed: bool = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("type", "range", "fixed"):
            before = self.__dict__[name]
            late = before is not None or (name == "fixed" and self.type is not None)
            if late and before != value:
                self.__dict__["changed"] = True
        self.__dict__[name] = value


class MapUse(Plain):
    """A map of the unit: the declaration and what will be created."""

    decl: MapDecl
    spec: MapSpec
    index: int
    #: Which map, where that is known only when the program runs.
    handle: Expr | None = None


class Expr(Plain):
    """Something with a value."""

    type: ValueType
    span: Span

    @property
    def range(self) -> Range | None:
        """The least and greatest number it can be; None if it is no number."""
        low, high = getattr(self.type, "low", None), getattr(self.type, "high", None)
        return (low, high) if low is not None and high is not None else None


class Literal(Expr):
    """An integer or a truth value."""

    value: int

    @property
    def range(self) -> Range | None:
        return (int(self.value), int(self.value))


class FlagMember(Literal):
    """A member of an ``enum.Flag``, of which Python knows which bits there are."""

    member: enum.Flag


class Text(Expr):
    """A string constant."""

    value: str


class TextData(Expr):
    """A string constant as text of a fixed size; ``value`` fits."""

    value: str


class Object(Expr):
    """A compile-time object, or None."""


class Read(Expr):
    """The value of a variable."""

    variable: Variable

    @property
    def range(self) -> Range | None:
        return self.variable.range or super().range


class Unwrap(Expr):
    """The value of something that was tested not to be None."""

    value: Expr

    @property
    def range(self) -> Range | None:
        return self.value.range or super().range


class Arith(Expr):
    """``left op right``; both operands are converted to ``type``."""

    op: BinaryOp
    left: Expr
    right: Expr
    known: Range

    @property
    def range(self) -> Range | None:
        return self.known


class Cmp(Expr):
    """``left op right``. ``common`` is the type compared at; None if no type holds both sides."""

    op: CompareOp
    left: Expr
    right: Expr
    common: Int | None


class Same(Expr):
    """Equality of pointers, addresses or truth values."""

    op: CompareOp
    left: Expr
    right: Expr


class Logic(Expr):
    """``left and right`` (``is_and``) or ``left or right``, as truth values."""

    is_and: bool
    left: Expr
    right: Expr


class Negation(Expr):
    """``not value``."""

    value: Expr


class Truth(Expr):
    """``bool(value)`` of a number or a pointer."""

    value: Expr


class IsNone(Expr):
    value: Expr


class Choice(Expr):
    """``then if condition else other``, both converted to ``type``."""

    condition: Expr
    then: Expr
    other: Expr


class Bind(Expr):
    """``variable := value``; the value of the whole is the variable's."""

    variable: Variable
    value: Expr

    @property
    def range(self) -> Range | None:
        return self.value.range or super().range


class Pack(Expr):
    """A tuple."""

    items: tuple[Expr, ...]


class MakeRecord(Expr):
    """A record with the given fields; the others are 0."""

    items: tuple[tuple[Field, Expr], ...]


class RecordField(Expr):
    """A member of a record in memory."""

    base: Expr
    field: Field


class Cast(Expr):
    """A number at another width, or a pointer as a number."""

    value: Expr


class Doubted(Expr):
    """A pointer that the verifier takes for NULL perhaps, as an address that helpers read from."""

    value: Expr


class Fitting(Expr):
    """A number; one that is not between 0 and ``most`` ends the program, as an exception would."""

    value: Expr
    most: int

    @property
    def range(self) -> Range | None:
        return (0, self.most)


class Swapped(Expr):
    """A number that was in the order of the network."""

    value: Expr


class Helper(Expr):
    """A helper without arguments: ``type(result >> shift)``."""

    helper: str
    shift: int


class Comm(Expr):
    """The current thread's name."""


class CurrentTask(Expr):
    """The current task; ``helper`` says how."""

    helper: str


class KernelPlace(Expr):
    """A struct, union or array in a kernel object, named but not read."""

    base: Expr
    path: FieldPath


class KernelRead(Expr):
    """A number, pointer, bit-field or text in a kernel object. ``bits`` is set for a bit-field."""

    base: Expr
    path: FieldPath
    bits: int = 0

    @property
    def after_test(self) -> Doubted | None:
        """The pointer that is tested before a load, if that is how this is read.

        Pointers are read by a helper: the verifier then says nothing of what is behind them.
        """
        is_number = isinstance(self.type, (Int, Bool))
        return self.base if is_number and isinstance(self.base, Doubted) else None


class CoreQuestion(Expr):
    """A number that the loader fills in."""

    kind: CoreKind
    path: FieldPath


class MapGet(Expr):
    """``map.get(key)``, ``map.pop(key)`` with ``remove``."""

    map: MapUse
    key: Expr
    remove: bool = False


class MapSetdefault(Expr):
    """``map.setdefault(key, value)``."""

    map: MapUse
    key: Expr
    value: Expr


class MapContains(Expr):
    map: MapUse
    key: Expr


class Turn(Plain):
    """Stands for the current entry of a loop over a map."""


class EntryKey(Expr):
    """The key of the current entry; a pointer to it if it is a record."""

    turn: Turn


class EntryText(Expr):
    """The key of the current entry, if it is text, bytes or an address."""

    turn: Turn


class EntryValue(Expr):
    """The value of the current entry; a pointer to it if it is a record."""

    turn: Turn


class Inlined(Expr):
    """A call of a plain function, expanded: its body, and the variable that holds its result."""

    body: list[Stmt]
    result: Variable | None

    @property
    def range(self) -> Range | None:
        return (self.result.range if self.result is not None else None) or super().range


class Subprogram(Plain):
    """A function that stays a function, for one set of argument types.

    The body of a stand-in is replaced when the program is attached.
    """

    name: str
    span: Span
    type: ValueType
    parameters: list[Variable]
    body: list[Stmt]
    result: Variable | None = None
    faulty: bool = False
    stand_in: bool = False


class CallSubprogram(Expr):
    """A call of a function that stays a function."""

    callee: Subprogram
    args: tuple[Expr, ...]


class ReadText(Expr):
    """Fill a text field from an address; the value is the helper's answer."""

    field: RecordField
    helper: str
    address: Expr


class Effect(Expr):
    """A call that does something and has no value."""

    stmt: Stmt


class Stmt(Plain):
    """Something that is done."""

    span: Span


class Evaluate(Stmt):
    value: Expr


class Assign(Stmt):
    variable: Variable
    value: Expr


class If(Stmt):
    condition: Expr
    then: list[Stmt]
    other: list[Stmt]


class For(Stmt):
    """A loop of ``count`` turns, ``trips`` if that is a constant; ``other`` is its ``else``.

    ``turn`` counts from 0; ``begin`` assigns the loop's variables from it.
    """

    turn: Variable
    count: Expr
    trips: int | None
    begin: list[Stmt]
    body: list[Stmt]
    other: list[Stmt]


class WrittenOut(Stmt):
    """A loop whose turns stand one after the other."""

    turns: list[list[Stmt]]
    other: list[Stmt]


class While(Stmt):
    condition: Expr
    body: list[Stmt]
    other: list[Stmt]


class ForEntries(Stmt):
    """A loop over the entries of a map."""

    map: MapUse
    turn: Turn
    begin: list[Stmt]
    body: list[Stmt]
    other: list[Stmt]


class Break(Stmt):
    pass


class Continue(Stmt):
    pass


class Abort(Stmt):
    """The end of the program, as an exception that nobody catches."""


class Return(Stmt):
    value: Expr | None


class MapSet(Stmt):
    map: MapUse
    key: Expr
    value: Expr


class MapDelete(Stmt):
    map: MapUse
    key: Expr


class Add(Stmt):
    """``aggregate[key].add(value)``; ``totals``: of a histogram, the sum is kept too."""

    map: MapUse
    key: Expr | None
    value: Expr | None
    totals: bool


class Emit(Stmt):
    """``events.emit(record)``: it is number ``number`` of the types of ``shape``."""

    map: MapUse
    shape: EventShape
    number: int
    record: Expr


class Reserve(Stmt):
    """``with events.reserve() as variable:``, a record of number ``number`` of ``shape``.

    Where it is built in the buffer, the body is skipped without room, and it is counted lost.
    """

    map: MapUse
    shape: EventShape
    number: int
    variable: Variable
    body: list[Stmt]


class Discard(Stmt):
    """``events.discard(e)``: the record is given up at the end of its block."""

    variable: Variable


class Print(Stmt):
    """A line for user space: ``number`` tells which one, ``layout`` what it holds."""

    number: int
    layout: PrintSpec
    values: tuple[Expr, ...]


class Parameter(Frozen):
    """A parameter of a program: the context itself, or a value read from it at the start."""

    variable: Variable
    value: Expr | None


class Program(Plain):
    """A probe at one hook, checked."""

    name: str
    section: str
    span: Span
    parameters: list[Parameter]
    body: list[Stmt]
    result: DataType | None = None
