r"""The intermediate representation: functions of basic blocks of instructions.

An instruction is also the value it produces, and is used by the instructions after it (in its
block, or in a block that its block dominates). Variables are :class:`Slot`\\ s, read and written
by :class:`ReadSlot` and :class:`WriteSlot`; LLVM turns them into registers. Integer instructions
take operands of one type and give that type; meaning is Python's, wrapped at the width
(``FLOORDIV`` rounds down, ``MOD`` takes the sign of the divisor, a shift by the width or more
gives 0 or the sign). What is legal is written down in ``pyebpf.ir.legal``.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from pyebpf.plain import Frozen, Plain

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.ir.types import KernelRef, Type
    from pyebpf.spec.objects import CoreKind, MapSpec
    from pyebpf.spec.types import DataType


class BinaryOp(Enum):
    """Integer arithmetic; both operands and the result have one type."""

    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    FLOORDIV = "floordiv"
    MOD = "mod"
    AND = "and"
    OR = "or"
    XOR = "xor"
    SHL = "shl"
    SHR = "shr"


class RmwOp(Enum):
    """What an atomic instruction does to a number in memory."""

    ADD = "add"
    AND = "and"
    OR = "or"
    XOR = "xor"
    EXCHANGE = "exchange"


class CompareOp(Enum):
    """Comparison of two integers of one type, two booleans or two pointers (EQ and NE only)."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"


class Value(Plain):
    """Something with a type that instructions use."""

    #: The fields that hold values, or tuples of values: those that are annotated so.
    operand_fields: ClassVar[tuple[str, ...]] = ()

    type: Type
    span: Span | None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _VALUES.add(cls.__name__)
        own = vars(cls).get("__annotations__", {})
        new = tuple(name for name, kind in own.items() if _VALUES & {*re.findall(r"\w+", kind)})
        cls.operand_fields = (*cls.operand_fields, *new)


_VALUES = {"Value"}


class Const(Value):
    """An integer, a boolean, or a null pointer (0)."""

    value: int


class Slot(Plain):
    """A variable, or a buffer, on the stack. Not a value; :class:`SlotAddr` gives its address."""

    name: str
    type: Type
    span: Span | None = None


class Frame(Slot):
    """What a loop that is called shares with its caller: filled anew before each call."""


class Param(Value):
    """The context of an entry function, or an argument of a subprogram."""

    name: str


class ReadSlot(Value):
    slot: Slot


class WriteSlot(Value):
    """``slot = value``."""

    slot: Slot
    value: Value


class SlotAddr(Value):
    """``&slot``: a pointer into ``Space.STACK``."""

    slot: Slot


class Binary(Value):
    op: BinaryOp
    left: Value
    right: Value


class Compare(Value):
    op: CompareOp
    left: Value
    right: Value


class Not(Value):
    """Logical negation of a boolean."""

    value: Value


class Swap(Value):
    """A number with its bytes the other way round."""

    value: Value


class Opaque(Value):
    """What no pass of LLVM looks through or computes once more elsewhere: number, boolean, pointer.

    What the verifier knows of it belongs to the way on which it was computed.
    """

    value: Value


class Bounded(Value):
    """A number that is known to be ``most`` at most; the emitter makes the verifier see it.

    Verifiers before Linux 5.16 forget what they know of a number while it waits on the stack.
    """

    value: Value
    most: int


class Select(Value):
    """``then if condition else other``, both already computed and without effect."""

    condition: Value
    then: Value
    other: Value


class Convert(Value):
    """The same number at another width (truncated or extended by the *source's* sign).

    Also boolean to integer, pointer to 64-bit integer or ``Address``, those to a pointer, and one
    kind of pointer to another.
    """

    value: Value


class Member(Value):
    """A pointer ``offset`` bytes into what ``base`` points to (own data, not kernel types)."""

    base: Value
    offset: int


class Element(Value):
    """A pointer to element ``index`` of an array of ``length`` elements of ``stride`` bytes.

    The index is known to be in range; the emitter makes the verifier see it too.
    """

    base: Value
    index: Value
    stride: int
    length: int


class Load(Value):
    """Read a number, a boolean or a pointer through ``pointer``.

    ``volatile``: at this place in the program and no other, for what is there changes meanwhile.
    """

    pointer: Value
    volatile: bool = False


class Store(Value):
    pointer: Value
    value: Value
    volatile: bool = False


class StoreUnknown(Value):
    """Store a number in 8 bytes so that the kernel's verifier forgets what it knows of it.

    A variable that starts as a constant and changes in a loop would otherwise make the verifier
    follow every single turn; or, before Linux 6.7, the first turn only, and take what it saw there
    for what is always so.
    """

    pointer: Value
    value: Value


class Forget(Value):
    """Leave ``size`` bytes at ``pointer`` as they are; the verifier then knows nothing of them."""

    pointer: Value
    size: int


class Fill(Value):
    """Set ``size`` bytes at ``pointer`` to zero."""

    pointer: Value
    size: int


class Copy(Value):
    """Copy ``size`` bytes; neither side is a kernel or user pointer."""

    target: Value
    source: Value
    size: int


class AtomicRmw(Value):
    """Change a 32- or 64-bit number in a map; gives the old value if ``type`` is not void."""

    op: RmwOp
    pointer: Value
    value: Value


class CompareExchange(Value):
    """Store ``new`` if the number there is ``expected``; gives what was there."""

    pointer: Value
    expected: Value
    new: Value


class GlobalVariable(Frozen):
    """A variable of the object, in memory that user space maps; ``initial`` are its bytes.

    All variables of a ``section`` are in one map.
    """

    name: str
    type: DataType
    initial: bytes
    section: str = ".data"


class GlobalAddr(Value):
    """The address of a global variable: a pointer into ``Space.MAP``, never null."""

    variable: GlobalVariable


class CtxLoad(Value):
    """Read a number or a pointer ``offset`` bytes into the context; ``width`` bytes are loaded.

    ``type`` may be narrower than ``width``: an argument of a BTF tracepoint always fills 8 bytes.
    """

    context: Value
    offset: int
    width: int


class Advance(Value):
    """``base`` moved by ``offset`` bytes, a number of at most ``MAX_PACKET_OFFSET``."""

    base: Value
    offset: Value


class Within(Value):
    """Whether ``size`` bytes at ``pointer`` lie before ``end``; both point into one packet."""

    pointer: Value
    end: Value
    size: int


class MapHandle(Value):
    """A map, as an argument of helpers."""

    map: MapSpec


class CallHelper(Value):
    """Call a BPF helper by name (a row of ``pyebpf.abi.helpers``)."""

    helper: str
    args: tuple[Value, ...]


class CallKfunc(Value):
    """Call a kernel function by name; ``prototype`` is its type's id in the target's BTF."""

    name: str
    args: tuple[Value, ...]
    prototype: int


class KernelSymbol(Value):
    """The address of a kernel variable.

    ``declared`` is its type's id in the target's BTF; 0, and the address is a number, for one that
    BTF does not describe. ``weak``: the address is 0 in a kernel without it.
    """

    name: str
    declared: int
    weak: bool


class ConstText(Value):
    """The address of a constant text with its NUL, in a read-only map."""

    text: str


class CallFunction(Value):
    """Call another function of the unit."""

    function: str
    args: tuple[Value, ...]


class FuncAddr(Value):
    """The address of a function of the unit, for helpers that call it back."""

    function: str


#: The kind of map whose entries are records that user space sent.
USER_RING = "user_ringbuf"


class NextEntry(Value):
    """Whether a loop over the entries of a map has another turn; stands in the loop's head.

    The pass ``loops`` replaces it.
    """

    map: MapSpec


class EntryPart(Value):
    """A pointer to the key or to the value of the entry that ``turn`` is about.

    The pass ``loops`` replaces it.
    """

    turn: NextEntry
    is_key: bool


class MemberStep(Frozen):
    """Go to member ``name`` of the kernel struct ``struct``; anonymous structs are seen through.

    ``bit_offset`` counts from the start of ``struct`` in the target; ``bits`` is nonzero for a
    bit-field.
    """

    struct: KernelRef
    name: str
    bit_offset: int
    type: KernelRef
    bits: int = 0


class IndexStep(Frozen):
    """Go to element ``index`` of an array of ``type``."""

    index: int
    type: KernelRef


Step: TypeAlias = MemberStep | IndexStep


class FieldPath(Frozen):
    """A way into a kernel type without following a pointer."""

    root: KernelRef
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        out = self.root.name
        for step in self.steps:
            out += f"[{step.index}]" if isinstance(step, IndexStep) else f".{step.name}"
        return out


class FieldAddr(Value):
    """The address of a field of a kernel object; the offset is a CO-RE relocation."""

    base: Value
    path: FieldPath


class KernelLoad(Value):
    """Read a number or a pointer at a ``BTF``, ``KERNEL`` or ``USER`` pointer.

    The pass ``kernel_access`` replaces it.
    """

    pointer: Value


class BitfieldRead(Value):
    """Read a bit-field of a kernel object. The pass ``kernel_access`` replaces it."""

    base: Value
    path: FieldPath


class CoreValue(Value):
    """A number that the loader fills in: field exists, type size, enum value, shifts of bit-fields.

    ``path.steps`` is empty for questions about a type; ``enumerator`` names an enum's value.
    """

    kind: CoreKind
    path: FieldPath
    enumerator: str = ""


class Jump(Value):
    target: Block


class Branch(Value):
    condition: Value
    then: Block
    other: Block


class Return(Value):
    value: Value | None


TERMINATORS = (Jump, Branch, Return)


class Block:
    """Instructions that run one after the other; the last one, and only it, is a terminator."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.instrs: list[Value] = []

    def successors(self) -> tuple[Block, ...]:
        """Return the blocks that may run next."""
        last = self.instrs[-1] if self.instrs else None
        if isinstance(last, Jump):
            return (last.target,)
        if isinstance(last, Branch):
            return (last.then, last.other)
        return ()


class Loop(Plain):
    """A loop that the front end made: where it starts over, and what is known of its turns.

    ``counter`` counts the turns from 0: the front end sets it before the loop, and only the block
    that goes back to the head changes it. The head ends in a branch on ``guard``: the counter is
    less than a constant, or the map has another entry. ``trips`` is the number of turns; None if it
    is not known, the constant is then ``MAX_TURNS`` and what follows the branch ends the program.
    """

    head: Block
    guard: Compare | NextEntry
    counter: Slot | None = None
    trips: int | None = None


#: How far into a packet a program may look; a mask. The kernel's own bound is ``MAX_PACKET_OFF``,
#: 65,535, which must hold with the size of what is read there.
MAX_PACKET_OFFSET = (1 << 15) - 1

#: ``BPF_MAX_LOOPS`` of ``kernel/bpf/bpf_iter.c``: the most turns that ``bpf_loop`` makes.
MAX_TURNS = 1 << 23


class Function(Plain):
    """One function. ``section`` names the program's hook (``"tp_btf/block_rq_issue"``).

    A function without a section is a subprogram; ``program`` is then the section of the programs
    that it belongs to. ``result`` is the type returned; an entry function returns a 32-bit number.
    ``span`` is the ``def`` line. ``loops`` are the loops that the front end made, each before those
    inside it; the pass ``loops`` empties the list. The body of a ``stand_in`` is replaced when the
    program is attached: callers must not be compiled by what it does.
    """

    name: str
    section: str
    params: tuple[Param, ...]
    result: Type
    blocks: list[Block]
    slots: list[Slot]
    span: Span
    program: str = ""
    loops: tuple[Loop, ...] = ()
    stand_in: bool = False

    @property
    def entry(self) -> Block:
        """The block that runs first."""
        return self.blocks[0]


class Unit(Frozen):
    """What goes into one object file."""

    functions: tuple[Function, ...]
    maps: tuple[MapSpec, ...]
    license: str = "GPL"
    globals: tuple[GlobalVariable, ...] = ()


def operands(instr: Value) -> tuple[Value, ...]:
    """Return the values that an instruction uses, in order."""
    names = instr.operand_fields
    if not names:
        return ()
    out: list[Value] = []
    fields = instr.__dict__
    for name in names:
        item = fields[name]
        if isinstance(item, tuple):
            out += item
        elif item is not None:
            out.append(item)
    return tuple(out)
