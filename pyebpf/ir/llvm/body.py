"""What the emitters write to: the text of one function, and what its module shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.errors import InternalError
from pyebpf.ir.nodes import Const, Value
from pyebpf.ir.types import Pointer, Void
from pyebpf.spec.types import Address, Bool, Int

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.ir.llvm.core import Relocations
    from pyebpf.ir.llvm.debuginfo import DebugInfo
    from pyebpf.ir.llvm.externs import Externs
    from pyebpf.ir.nodes import Function, Slot
    from pyebpf.ir.types import Type


class Module:
    """What all functions of a unit share."""

    def __init__(
        self, debug: DebugInfo, relocations: Relocations | None, externs: Externs, cpu: str
    ) -> None:
        self.debug = debug
        self.externs = externs
        self.texts: dict[str, str] = {}
        self.cpu = cpu
        self.functions: dict[str, Function] = {}
        self.declarations: dict[str, None] = {}
        self._relocations = relocations
        self._passed = 0

    @property
    def relocations(self) -> Relocations:
        """The CO-RE relocations of the unit."""
        if self._relocations is None:
            raise InternalError("a kernel field is used, but the target has no BTF")
        return self._relocations

    def declare(self, text: str) -> None:
        """Declare an intrinsic, once."""
        self.declarations[f"declare {text}"] = None

    def text(self, text: str) -> str:
        """Return the name of a constant text in a read-only map, with its NUL."""
        return f"@{self.texts.setdefault(text, f'text.{len(self.texts)}')}"

    def part(self, variable: str, offset: int) -> str:
        """Return a symbol for the byte of a global variable at an offset."""
        name = f"@{variable}.{offset}"
        of = f"getelementptr (i8, ptr @{variable}, i64 {offset})"
        self.declarations[f"{name} = internal alias i8, ptr {of}"] = None
        return name

    def next_passthrough(self) -> int:
        """Return a number that no other ``llvm.bpf.passthrough`` of the unit has."""
        self._passed += 1
        return self._passed - 1


class Body:
    """The text of one function.

    Attributes:
        names: what each value is called. ``renamed`` goes first: names that hold in this block.
        slots: the address of each slot.
        span: the place in the source that the next instructions belong to.
    """

    def __init__(self, module: Module, fn: Function, subprogram: int) -> None:
        self.module = module
        self.lines: list[str] = []
        self.names: dict[Value, str] = {}
        self.renamed: dict[Value, str] = {}
        self.slots: dict[Slot, str] = {}
        self.span: Span = fn.span
        self.is_tracing = (fn.section or fn.program).split("/")[0].partition(".")[
            0
        ] in NARROW_CONTEXTS
        self._home = fn.span.source
        self._subprogram = subprogram
        self._count = 0
        self._place: tuple[Span | None, int] = (None, 0)  # the last one: many follow at one place

    def do(self, text: str) -> None:
        """Write an instruction without a result."""
        if self._place[0] is not self.span:
            node = self.module.debug.location(self.span, self._subprogram, self._home)
            self._place = (self.span, node)
        self.lines.append(f"  {text}, !dbg !{self._place[1]}")

    def op(self, text: str) -> str:
        """Write an instruction and return the name of its result."""
        name = f"%v{self._count}"
        self._count += 1
        self.do(f"{name} = {text}")
        return name

    def value(self, value: Value) -> str:
        """Return how a value is written as an operand."""
        if isinstance(value, Const):
            return _literal(value)
        return self.renamed.get(value) or self.names[value]

    def typed(self, value: Value) -> str:
        """Return an operand with its type."""
        return f"{llvm_type(value.type)} {self.value(value)}"

    def opaque(self, kind: str, value: str) -> str:
        """Return ``value`` in a form that LLVM cannot look through. Costs no instruction."""
        return self.op(f'call {kind} asm "", "=r,0"({kind} {value})')

    def passthrough(self, kind: str, value: str) -> str:
        """Mark a relocated value: two of them are never merged into one."""
        suffix = "p0" if kind == "ptr" else kind
        name = f"@llvm.bpf.passthrough.{suffix}.{suffix}"
        self.module.declare(f"{kind} {name}(i32, {kind})")
        number = self.module.next_passthrough()
        return self.op(f"call {kind} {name}(i32 {number}, {kind} {value})")

    def widened(self, value: Value, *, bits: int = 64) -> str:
        """Return a number at ``bits`` bits, extended by its own sign."""
        have = llvm_type(value.type)
        if have == "ptr":
            return self.op(f"ptrtoint ptr {self.value(value)} to i{bits}")
        signed = isinstance(value.type, Int) and value.type.signed
        return self.resized(self.value(value), int(have[1:]), bits, signed=signed)

    def resized(self, value: str, have: int, want: int, *, signed: bool) -> str:
        """Return a number of ``have`` bits as one of ``want`` bits."""
        if have == want:
            return value
        word = "trunc" if have > want else "sext" if signed else "zext"
        return self.op(f"{word} i{have} {value} to i{want}")


#: The kinds of program (first part of the section) whose verifier takes a part of a context word.
#: For the others, LLVM must not shorten a load whose high bytes are unused.
NARROW_CONTEXTS = frozenset(
    {
        "tp", "tracepoint", "raw_tp", "raw_tracepoint", "tp_btf", "fentry", "fexit", "fmod_ret",
        "fsession", "lsm", "lsm_cgroup", "iter", "kprobe", "kretprobe", "uprobe", "uretprobe",
        "usdt", "ksyscall", "kretsyscall",
    }
)  # fmt: skip


def llvm_type(kind: Type) -> str:
    """Return the type of a value in a register."""
    if isinstance(kind, Int):
        return f"i{kind.bits}"
    if isinstance(kind, Bool):
        return "i1"
    if isinstance(kind, Pointer):
        return "ptr"
    if isinstance(kind, Address):
        return "i64"
    if isinstance(kind, Void):
        return "void"
    raise InternalError(f"{kind} is no value of a register")


def memory_type(kind: Type) -> str:
    """Return the type of a value in memory; other than in a register for truth values and data."""
    if isinstance(kind, Bool):
        return "i8"
    if isinstance(kind, Int | Pointer | Address):
        return llvm_type(kind)
    return f"[{kind.size} x i8]"


def _literal(value: Const) -> str:
    if isinstance(value.type, Bool):
        return "true" if value.value else "false"
    if isinstance(value.type, Pointer):
        return "null" if not value.value else f"inttoptr (i64 {value.value} to ptr)"
    return str(value.value)
