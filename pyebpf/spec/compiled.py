"""An object file, and what the session must know about it that the file does not say."""

from __future__ import annotations

import json
from typing import Any

from pyebpf.errors import FormatError
from pyebpf.plain import Frozen
from pyebpf.spec.views import PrintPart, PrintSpec


class ProgramInfo(Frozen):
    """A program in the object: its name, its kind's row, and what it attaches to.

    ``fields`` are what it reads of the kernel, ``notes`` what was chosen for this kernel.
    """

    name: str
    kind: str
    target: str
    fields: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Compiled(Frozen):
    """What compilation gives.

    Attributes:
        object: the ELF file.
        programs: what to attach, in order.
        prints: the lines that probes print, by number.
        lost: map name → its number in the array of refused updates.
    """

    object: bytes
    programs: tuple[ProgramInfo, ...]
    prints: tuple[PrintSpec, ...]
    lost: tuple[tuple[str, int], ...]

    def to_bytes(self) -> bytes:
        """Return a form to keep; :meth:`from_bytes` reads it."""
        head = {
            "programs": [p.as_dict() for p in self.programs],
            "prints": [p.as_dict() for p in self.prints],
            "lost": self.lost,
        }
        text = json.dumps(head).encode()
        return len(text).to_bytes(4, "little") + text + self.object

    @classmethod
    def from_bytes(cls, data: bytes) -> Compiled:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            FormatError: it is something else.
        """
        size = int.from_bytes(data[:4], "little")
        try:
            head = json.loads(data[4 : 4 + size])
            programs = tuple(_program(p) for p in head["programs"])
            prints = tuple(_print(p) for p in head["prints"])
            lost = tuple((str(name), int(number)) for name, number in head["lost"])
        except (ValueError, KeyError, TypeError) as err:
            raise FormatError(f"not a compiled program: {err}") from err
        return cls(data[4 + size :], programs, prints, lost)


def _program(fields: dict[str, Any]) -> ProgramInfo:
    many = {name: tuple(fields[name]) for name in ("fields", "notes")}
    return ProgramInfo(**{**fields, **many})


def _print(fields: dict[str, Any]) -> PrintSpec:
    values = tuple(PrintPart(**part) for part in fields["values"])
    return PrintSpec(tuple(fields["literals"]), values, fields["size"], fields["end"])
