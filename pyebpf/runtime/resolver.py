"""What in an object depends on the kernel's types, asked once and remembered.

The answers are plain numbers and go into a cache: a start with all answers at hand never opens the
kernel's BTF, which is megabytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from pyebpf.btf.types import Kind
from pyebpf.errors import FormatError, NotSupportedError, RelocationError
from pyebpf.lazy import lazy
from pyebpf.plain import Frozen
from pyebpf.runtime.core_relocate import CoreAnswer
from pyebpf.spec.objects import CoreKind, CoreReloc

if TYPE_CHECKING:
    from pyebpf.btf import access, core, near, parse, types
    from pyebpf.btf.parse import Btf
else:
    access = lazy("pyebpf.btf.access")
    core = lazy("pyebpf.btf.core")
    near = lazy("pyebpf.btf.near")
    parse = lazy("pyebpf.btf.parse")
    types = lazy("pyebpf.btf.types")

_VERSION = "pyebpf answers 2"


class KernelPlace(Frozen):
    """Where a type of the kernel is: its id, and the module that it is in; empty for none."""

    id: int
    module: str = ""


class CoreResolver:
    """The answers for one object on one kernel.

    Attributes:
        asked: whether something was not known and the kernel's types were looked at, so that
            :meth:`dump` has more than :meth:`load` took.
    """

    def __init__(self, object_btf: bytes, kernel: Callable[[], Btf]) -> None:
        """Answer questions of the object with the types ``object_btf``.

        Args:
            object_btf: as in :class:`pyebpf.spec.objects.ObjectSpec`.
            kernel: gives the kernel's types, as ``pyebpf.btf.system.kernel_btf``; called at most
                once, at the first question whose answer is not known.
        """
        self._object_btf, self._open_kernel = object_btf, kernel
        self._local: Btf | None = None
        self._kernel: Btf | None = None
        self._answers: _Answers = {}
        self._places: _Places = {}
        self.asked = False

    def ask(self, reloc: CoreReloc) -> CoreAnswer:
        """Return what the instruction of a relocation should hold.

        Raises:
            NotSupportedError: the kernel has no BTF.
            RelocationError: the object's type fits more than one of the kernel's.
            FormatError: the relocation makes no sense in the object's own types.
        """
        key = reloc.type_id, reloc.access, int(reloc.kind)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._find(reloc)
            self.asked = True
        return answer

    def place(self, name: str, kind: Kind, module: str = "", *, weak: bool = False) -> KernelPlace:
        """Return the place of a kernel type, such as the typedef ``btf_trace_sched_switch``.

        Args:
            name: of the type.
            kind: what it is.
            module: to look into; else the kernel, then all modules.
            weak: nobody minds if there is none: the error names no similar ones, which takes long.

        Raises:
            RelocationError: the kernel has no such type.
            NotSupportedError: the kernel has no BTF.
        """
        key = name, int(kind), module
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = self._find_place(name, kind, module, weak=weak)
            self.asked = True
        return place

    def kind_of(self, name: str) -> Kind | None:
        """Return what the object declares an external symbol as; None if it gives it no type."""
        if not self._object_btf:
            return None
        local = self._local_types()
        for number in local.find_all(name, Kind.VAR):
            node = local.type(number)
            assert isinstance(node, types.Var)
            typed = not isinstance(local.type(local.skip(node.type)), types.Void)
            return Kind.VAR if typed else None
        return Kind.FUNC if local.find_all(name, Kind.FUNC) else None

    def describe(self, reloc: CoreReloc) -> str:
        """Return what a relocation is about, as ``struct task_struct.pid``. For messages."""
        return str(access.read(self._local_types(), reloc.type_id, reloc.access, reloc.kind))

    def explain(self, reloc: CoreReloc) -> str:
        """Say why a question has no answer in this kernel. Slow: it looks for similar names."""
        kernel = self._kernel_types(self.describe(reloc))
        error = core.explain(self._local_types(), reloc.type_id, reloc.access, reloc.kind, kernel)
        return str(error)

    def dump(self) -> bytes:
        """Return all answers so far, for :meth:`load` with the same object and kernel."""
        lines = [_VERSION]
        lines += [
            "\t".join(map(str, ("a", kind, number, path, *_numbers(answer))))
            for (number, path, kind), answer in self._answers.items()
        ]
        lines += [
            f"i\t{kind}\t{found.id}\t{found.module}\t{module}\t{name}"
            for (name, kind, module), found in self._places.items()
        ]
        return "\n".join(lines).encode()

    def load(self, data: bytes) -> None:
        """Take answers that :meth:`dump` gave.

        Raises:
            FormatError: the data is damaged, or of another version; nothing is taken then.
        """
        try:
            answers, places = _parse(data.decode())
        except ValueError as error:
            raise FormatError(
                f"cached answers about the kernel's types are damaged: {error}"
            ) from None
        self._answers.update(answers)
        self._places.update(places)

    def _find(self, reloc: CoreReloc) -> CoreAnswer:
        local = self._local_types()
        if reloc.kind is CoreKind.TYPE_ID_LOCAL:
            return CoreAnswer(reloc.type_id, reloc.type_id)
        kernel = self._kernel_types(self.describe(reloc))
        found = core.relocate(local, reloc.type_id, reloc.access, reloc.kind, kernel)
        value = found.value
        if reloc.kind is CoreKind.TYPE_ID_TARGET:
            _, value = kernel.place(value)
        return CoreAnswer(
            found.original,
            value,
            found.poison,
            found.check,
            found.insn_size or 0,
            found.unsafe_size,
        )

    def _find_place(self, name: str, kind: Kind, module: str, *, weak: bool) -> KernelPlace:
        kernel = self._kernel_types(name)
        try:
            found = kernel.within(module, name, kind) if module else kernel.find_all(name, kind)
        except KeyError:
            raise RelocationError(
                f"`{module}:{name}` is not there: {kernel.without(module)}"
            ) from None
        word = _WORDS.get(kind, kind.name.lower())
        if found:
            where, number = kernel.place(found[0])
            return KernelPlace(number, where)
        if module:
            raise RelocationError(f"the module {module} has no {word} `{name}`")
        close = "" if weak else near.did_you_mean(kernel.similar(name, (kind,)))
        raise RelocationError(f"this kernel has no {word} `{name}`{close}")

    def _local_types(self) -> Btf:
        if self._local is None:
            self._local = parse.Btf.parse(self._object_btf)
        return self._local

    def _kernel_types(self, needed_for: str) -> Btf:
        if self._kernel is None:
            try:
                self._kernel = self._open_kernel()
            except NotSupportedError as error:
                raise NotSupportedError(
                    f"`{needed_for}` has to be found in the kernel's types: {error}",
                    feature=error.feature,
                    since=error.since,
                ) from None
        return self._kernel


_WORDS = {Kind.FUNC: "function", Kind.VAR: "variable"}
_Answers: TypeAlias = "dict[tuple[int, str, int], CoreAnswer]"
_Places: TypeAlias = "dict[tuple[str, int, str], KernelPlace]"


def _parse(text: str) -> tuple[_Answers, _Places]:
    """Read what ``dump`` wrote; ``ValueError`` if it is anything else."""
    answers: _Answers = {}
    places: _Places = {}
    version, *lines = text.split("\n")
    if version != _VERSION:
        raise ValueError(f"they begin with {version[:20]!r}")
    for line in lines:
        what, kind, number, *rest = line.split("\t")
        if what == "a":
            answers[int(number), rest[0], int(kind)] = _answer(rest[1:])
        else:
            found_in, module, name = rest
            places[name, int(kind), module] = KernelPlace(int(number), found_in)
    return answers, places


def _numbers(answer: CoreAnswer) -> tuple[int, ...]:
    words = int(answer.missing), int(answer.check), answer.size, int(answer.unsafe)
    return answer.local, answer.value, *words


def _answer(fields: list[str]) -> CoreAnswer:
    local, value, missing, check, size, unsafe = map(int, fields)
    return CoreAnswer(local, value, bool(missing), bool(check), size, bool(unsafe))
