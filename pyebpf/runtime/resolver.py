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

_VERSION = "pyebpf answers 1"


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
        self._ids: _Ids = {}
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

    def type_id(self, name: str, kind: Kind, *, weak: bool = False) -> int:
        """Return the id of a kernel type, such as the typedef ``btf_trace_sched_switch``.

        Args:
            name: of the type.
            kind: what it is.
            weak: nobody minds if there is none: the error names no similar ones, which takes long.

        Raises:
            RelocationError: the kernel has no such type.
            NotSupportedError: the kernel has no BTF.
        """
        number = self._ids.get((name, int(kind)))
        if number is None:
            number = self._ids[name, int(kind)] = self._find_id(name, kind, weak=weak)
            self.asked = True
        return number

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
            "\t".join(map(str, ("a", kind, number, path, *map(int, answer))))
            for (number, path, kind), answer in self._answers.items()
        ]
        lines += [f"i\t{kind}\t{number}\t{name}" for (name, kind), number in self._ids.items()]
        return "\n".join(lines).encode()

    def load(self, data: bytes) -> None:
        """Take answers that :meth:`dump` gave.

        Raises:
            FormatError: the data is damaged, or of another version; nothing is taken then.
        """
        try:
            answers, ids = _parse(data.decode())
        except ValueError as error:
            raise FormatError(
                f"cached answers about the kernel's types are damaged: {error}"
            ) from None
        self._answers.update(answers)
        self._ids.update(ids)

    def _find(self, reloc: CoreReloc) -> CoreAnswer:
        local = self._local_types()
        if reloc.kind is CoreKind.TYPE_ID_LOCAL:
            return CoreAnswer(reloc.type_id, reloc.type_id)
        kernel = self._kernel_types(self.describe(reloc))
        found = core.relocate(local, reloc.type_id, reloc.access, reloc.kind, kernel)
        return CoreAnswer(
            found.original,
            found.value,
            found.poison,
            found.check,
            found.insn_size or 0,
            found.unsafe_size,
        )

    def _find_id(self, name: str, kind: Kind, *, weak: bool) -> int:
        kernel = self._kernel_types(name)
        try:
            return kernel.find(name, kind)
        except KeyError:
            close = "" if weak else near.did_you_mean(kernel.similar(name, (kind,)))
        word = _WORDS.get(kind, kind.name.lower())
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
_Ids: TypeAlias = "dict[tuple[str, int], int]"


def _parse(text: str) -> tuple[_Answers, _Ids]:
    """Read what ``dump`` wrote; ``ValueError`` if it is anything else."""
    answers: _Answers = {}
    ids: _Ids = {}
    version, *lines = text.split("\n")
    if version != _VERSION:
        raise ValueError(f"they begin with {version[:20]!r}")
    for line in lines:
        what, kind, number, *rest = line.split("\t")
        if what == "a":
            answers[int(number), rest[0], int(kind)] = _answer(rest[1:])
        else:
            (name,) = rest
            ids[name, int(kind)] = int(number)
    return answers, ids


def _answer(fields: list[str]) -> CoreAnswer:
    local, value, missing, check, size, unsafe = map(int, fields)
    return CoreAnswer(local, value, bool(missing), bool(check), size, bool(unsafe))
