"""What can be wrong with a probe, one class each. The docstrings are the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pyebpf.diag import Diagnostic

if TYPE_CHECKING:
    from pyebpf.diag import Span


class Fault(Exception):  # noqa: N818 - never seen by users; it ends the checking of one statement
    """Carries a diagnostic to the statement that is being checked.

    Without one it is a consequence of a fault that was reported already.
    """

    def __init__(self, diagnostic: Diagnostic | None = None) -> None:
        super().__init__(diagnostic.message if diagnostic else "")
        self.diagnostic = diagnostic


def ask(question: str) -> str:
    """Return the advice to ask first for what not every kernel has."""
    return f"if other kernels have it, ask first: `if {question}:`"


class NoSource(Diagnostic):
    """A probe is compiled from its text, so the text must be there.

    Wrong: a function made by ``exec`` or typed at the plain interactive prompt.
    Right: the same function in a file or in a notebook cell.
    """

    code: ClassVar[str] = "E0001"
    title: ClassVar[str] = "the source of `{name}` is not available ({file})"
    help: ClassVar[str] = "put the probe in a file or a notebook cell"
    name: str
    file: str


class SourceChanged(Diagnostic):
    """The file was edited after Python read it, so its lines are not what runs.

    Wrong: editing a module while a program that imported it still runs.
    Right: start the program again, or reload the module.
    """

    code: ClassVar[str] = "E0002"
    title: ClassVar[str] = "`{name}` is not at this line any more"
    label: ClassVar[str] = "expected `def {name}`"
    help: ClassVar[str] = "the file changed after it was imported: start again"
    name: str


class UnknownName(Diagnostic):
    """A name must mean something in the probe, in its module, or in Python.

    Wrong:
        counts[1] = now

    Right:
        now = ktime_get_ns()
        counts[1] = now
    """

    code: ClassVar[str] = "E0101"
    title: ClassVar[str] = "`{name}` is not defined"
    label: ClassVar[str] = "not found{close}"
    help: ClassVar[str] = "{advice}"
    name: str
    close: str = ""
    advice: str = ""


class BadAnnotation(Diagnostic):
    """Parameters of a probe say what they are, so that the kernel's types can be checked.

    Wrong:
        @tp_btf("block_rq_issue")
        def issue(rq) -> None:
            latency.add(rq.q.disk.major)

    Right:
        @tp_btf("block_rq_issue")
        def issue(rq: Ptr[request]) -> None:
            latency.add(rq.q.disk.major)
    """

    code: ClassVar[str] = "E0102"
    title: ClassVar[str] = "parameter `{name}` has no usable type"
    label: ClassVar[str] = "{why}"
    help: ClassVar[str] = "{advice}"
    name: str
    why: str
    advice: str


class Unassigned(Diagnostic):
    """A variable must have a value on every way that leads to its use.

    Wrong:
        if cpu() > 5:
            size = 2
        counts[1] = size

    Right:
        size = 1
        if cpu() > 5:
            size = 2
        counts[1] = size
    """

    code: ClassVar[str] = "E0103"
    title: ClassVar[str] = "`{name}` may have no value here"
    label: ClassVar[str] = "{why}"
    help: ClassVar[str] = "give it a value before {advice}"
    origin_label: ClassVar[str] = "assigned here"
    name: str
    why: str = "assigned on some ways only"
    advice: str = "the branch or loop"
    origin: Span | None = None


class UnknownHook(Diagnostic):
    """A probe attaches to something that the kernel has.

    Wrong:
        @tp_btf("block_rq_isue")
        def issue() -> None:
            counts[1] += 1

    Right:
        @tp_btf("block_rq_issue")
        def issue() -> None:
            counts[1] += 1
    """

    code: ClassVar[str] = "E0104"
    title: ClassVar[str] = "this kernel has no {kind} `{name}`"
    label: ClassVar[str] = "not found{close}"
    help: ClassVar[str] = "{advice}"
    kind: str
    name: str
    close: str = ""
    advice: str = ""


class UnknownField(Diagnostic):
    """A field must exist in the type as the target kernel has it.

    Wrong:
        latency.add(rq.disc.major)

    Right:
        latency.add(rq.q.disk.major)
        if has_field(request, "rq_disk"):  # of older kernels
            latency.add(rq.rq_disk.major)
    """

    code: ClassVar[str] = "E0105"
    title: ClassVar[str] = "`{type}` has no {what} `{name}`"
    label: ClassVar[str] = "not found{close}"
    type: str
    name: str
    close: str = ""
    #: Whether the type is the kernel's, so that other kernels may have the field.
    of_kernel: bool = False
    what: str = "field"

    @property
    def help_text(self) -> str:
        owner = self.type.removeprefix("struct ").removeprefix("union ")
        lacks = self.of_kernel and not self.close
        return ask(f'has_field({owner}, "{self.name}")') if lacks else ""


class UnknownType(Diagnostic):
    """A kernel type is looked up in the BTF of the target kernel.

    Wrong:
        from pyebpf.kernel import requst


        @tp_btf("block_rq_issue")
        def issue() -> None:
            latency.add(sizeof(requst))

    Right:
        from pyebpf.kernel import request


        @tp_btf("block_rq_issue")
        def issue() -> None:
            latency.add(sizeof(request))
    """

    code: ClassVar[str] = "E0106"
    title: ClassVar[str] = "this kernel has no type `{name}`"
    label: ClassVar[str] = "not found{close}"
    name: str
    close: str = ""

    @property
    def help_text(self) -> str:
        return "" if self.close else ask(f"has_type({self.name})")


class Unsupported(Diagnostic):
    """Some of Python has no counterpart in the kernel, or not yet. Nothing is left out silently.

    Wrong:
        try:
            counts[1] = 100 // counts.get(2, 0)
        except ZeroDivisionError:
            counts[1] = 0

    Right:
        n = counts.get(2, 0)
        counts[1] = 100 // n if n else 0
    """

    code: ClassVar[str] = "E0201"
    title: ClassVar[str] = "{what} cannot be used in a probe"
    label: ClassVar[str] = "not supported"
    help: ClassVar[str] = "{advice}"
    what: str
    advice: str = ""


class RecursionUsed(Diagnostic):
    """Functions called from a probe are expanded into it, so none may call itself.

    Wrong:
        def depth(n: u64) -> u64:
            return depth(n - 1) + 1 if n else 0


        @tp_btf("block_rq_issue")
        def issue() -> None:
            counts[1] = depth(cpu())

    Right:
        def depth(n: u64) -> u64:
            total = 0
            while n:
                n, total = n - 1, total + 1
            return total


        @tp_btf("block_rq_issue")
        def issue() -> None:
            counts[1] = depth(cpu())
    """

    code: ClassVar[str] = "E0202"
    title: ClassVar[str] = "`{name}` calls itself"
    label: ClassVar[str] = "recursive call"
    help: ClassVar[str] = "use a loop with a bound"
    origin_label: ClassVar[str] = "`{name}` is defined here"
    name: str
    origin: Span | None = None


class Mismatch(Diagnostic):
    """A value has a type that does not fit where it is used.

    Wrong:
        latency.add(comm())

    Right:
        latency.add(len(comm()))
    """

    code: ClassVar[str] = "E0301"
    title: ClassVar[str] = "expected {expected}, got {shown}"
    label: ClassVar[str] = "this is {shown}"
    help: ClassVar[str] = "{advice}"
    origin_label: ClassVar[str] = "{began}"
    expected: str
    got: str
    advice: str = ""
    began: str = "declared here"
    origin: Span | None = None

    def _fill(self, template: str) -> str:
        is_prose = self.got.startswith(("a ", "an "))
        shown = self.got if is_prose else f"`{self.got}`"
        return super()._fill(
            template.replace("{shown}", shown.replace("{", "{{").replace("}", "}}"))
        )


class WrongCall(Diagnostic):
    """A call passes what the function takes.

    Wrong:
        latency.add()

    Right:
        latency.add(5)
    """

    code: ClassVar[str] = "E0302"
    title: ClassVar[str] = "`{name}` {why}"
    label: ClassVar[str] = "here"
    help: ClassVar[str] = "{advice}"
    origin_label: ClassVar[str] = "`{name}` is defined here"
    name: str
    why: str
    advice: str = ""
    origin: Span | None = None


class TooLarge(Diagnostic):
    """A constant must fit in 64 bits.

    Wrong:
        counts[1] = 1 << 70

    Right:
        counts[1] = 1 << 40
    """

    code: ClassVar[str] = "E0303"
    title: ClassVar[str] = "{value} does not fit in 64 bits"
    label: ClassVar[str] = "too large"
    value: str


class NoNumber(Diagnostic):
    """Division by a constant 0 has no value.

    Wrong:
        counts[1] = ktime_get_ns() // 0

    Right:
        counts[1] = ktime_get_ns() // 1_000
    """

    code: ClassVar[str] = "E0305"
    title: ClassVar[str] = "division by zero"
    label: ClassVar[str] = "always 0"


class UnguardedLookup(Diagnostic):
    """A look-up gives ``None`` when the key is absent, and ``None`` has no value to use.

    Wrong:
        latency.add(ktime_get_ns() - started.pop(rq))

    Right:
        begin = started.pop(rq)
        if begin is not None:
            latency.add(ktime_get_ns() - begin)
    """

    code: ClassVar[str] = "E0401"
    title: ClassVar[str] = "{source} may be None"
    label: ClassVar[str] = "used without a test for None"
    help: ClassVar[str] = "guard it: {guard}"
    origin_label: ClassVar[str] = "it comes from here"
    guard: str = "`if (value := …) is not None:`"
    source: str = "what this look-up gives"
    origin: Span | None = None


class MissingKey(Diagnostic):
    """``hash[key]`` of an absent key would be a ``KeyError``, which a probe cannot raise.

    Wrong:
        latency.add(ktime_get_ns() - started[rq])

    Right:
        begin = started.get(rq)
        if begin is not None:
            latency.add(ktime_get_ns() - begin)
    """

    code: ClassVar[str] = "E0402"
    title: ClassVar[str] = "`{name}[…]` may have no such entry"
    label: ClassVar[str] = "no value if it is absent"
    help: ClassVar[str] = "use `{name}.get(…)` and test the result for None"
    origin_label: ClassVar[str] = "`{name}` is declared here"
    name: str
    origin: Span | None = None
