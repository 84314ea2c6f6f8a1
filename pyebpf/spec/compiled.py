"""An object file, and what the session must know about it that the file does not say."""

from __future__ import annotations

import marshal
from enum import IntEnum
from typing import Any

from pyebpf.errors import FormatError
from pyebpf.plain import Frozen, from_tuples, to_tuples
from pyebpf.spec import objects, types, views
from pyebpf.spec.objects import ObjectSpec
from pyebpf.spec.types import Record
from pyebpf.spec.views import PrintSpec


class ProgramInfo(Frozen):
    """A program in the object: its name, its kind's row, and what it attaches to.

    ``fields`` are what it reads of the kernel, ``notes`` what was chosen for this kernel. Without
    ``attach`` it is only loaded: other programs go on in it.
    """

    name: str
    kind: str
    target: str
    fields: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    attach: bool = True
    #: What attaching needs besides the target: a device, a process; of a USDT program the
    #: ``arguments`` that it declares, name and type.
    at: tuple[tuple[str, Any], ...] = ()
    #: What an iterator writes, one after the other.
    record: Record | None = None


class Compiled(Frozen):
    """What compilation gives.

    Attributes:
        object: the ELF file.
        programs: what to attach, in order.
        prints: the lines that probes print, by number.
        lost: map name → its number in the array of refused updates.
        picks: which way of each ``first_of`` was taken, in the order of what was compiled.
    """

    object: bytes
    programs: tuple[ProgramInfo, ...]
    prints: tuple[PrintSpec, ...]
    lost: tuple[tuple[str, int], ...]
    picks: tuple[int, ...] = ()


class Kept(Frozen):
    """What a cache keeps of a start: everything compiled, read and asked, so that nothing is again.

    Attributes:
        origin: what it was made from, whole; a reader compares it with its own.
        compiled: as the compiler gave it.
        spec: the object file, read.
        answers: what depended on the kernel's types (``CoreResolver.dump``).
        modules: the loaded modules, if any of that was looked for in them.
        compiler: what tells the LLVM that made it from another.
    """

    origin: bytes
    compiled: Compiled
    spec: ObjectSpec
    answers: bytes
    modules: str = ""
    compiler: str = ""

    def to_bytes(self) -> bytes:
        """Return a form to keep; :meth:`from_bytes` reads it."""
        return marshal.dumps(to_tuples(self))

    @staticmethod
    def from_bytes(data: bytes) -> Kept:
        """Read what :meth:`to_bytes` wrote, by the same version of Python and of this package.

        Raises:
            FormatError: it is something else.
        """
        try:
            kept = from_tuples(marshal.loads(data), _CLASSES)  # noqa: S302 - checked and private
        except (ValueError, EOFError, KeyError, TypeError, IndexError) as err:
            raise FormatError(f"not a kept program: {err}") from err
        if not isinstance(kept, Kept):
            raise FormatError("not a kept program")
        return kept


def _classes() -> dict[str, Any]:
    found: dict[str, Any] = {c.__name__: c for c in (ProgramInfo, Compiled, Kept)}
    for module in (objects, types, views):
        found |= {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, (Frozen, IntEnum))
        }
    return found


_CLASSES = _classes()
