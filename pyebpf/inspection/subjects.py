"""What is inspected: an object, and the IR that it was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.lazy import lazy
from pyebpf.plain import Frozen
from pyebpf.runtime import elf
from pyebpf.targets import host_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyebpf.dsl import compile as compiler
    from pyebpf.dsl.probes.alternatives import Loadable
    from pyebpf.ir.nodes import Unit
    from pyebpf.spec.objects import ObjectSpec
    from pyebpf.spec.target import Target
else:
    compiler = lazy("pyebpf.dsl.compile")


class Subject(Frozen):
    """An object, and its IR; None if another compiler made it."""

    obj: ObjectSpec
    unit: Unit | None

    @property
    def names(self) -> list[str]:
        """The names of its programs."""
        return [program.name for program in self.obj.programs]


def subject_of_probes(
    *probes: Loadable, options: Mapping[Any, Any] | None = None, target: Target | None = None
) -> Subject:
    """Compile probes, for this kernel by default.

    Raises:
        CompileError: what is wrong with them.
    """
    compiled, unit = compiler.compile_with_ir(probes, target or host_target(exact=True), options)
    return Subject(elf.parse_object(compiled.object), unit)


def subject_of_file(path: str) -> Subject | None:
    """Read an object file of any compiler; None if there is no ELF file of that name.

    Raises:
        FormatError: it is an ELF file, but no object with programs.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as the rest of this package
            data = file.read()
    except OSError:
        return None
    return Subject(elf.parse_object(data), None) if data[:4] == b"\x7fELF" else None
