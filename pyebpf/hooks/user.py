"""The hooks of programs and libraries: of a file, or of all files of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.errors import AttachError
from pyebpf.hooks.entries import Binary, Entry
from pyebpf.hooks.usdt import Probes
from pyebpf.runtime import binaries
from pyebpf.runtime.mappings import mapped_files
from pyebpf.runtime.processes import find_in_process

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyebpf.hooks.kinds import Kind


class Symbols:
    """The functions of one binary."""

    name = "symbol"
    doubt = ""

    def __init__(self, binary: Binary) -> None:
        self._binary = binary

    def names(self) -> Iterable[str]:
        return binaries.function_names(self._binary.file)

    def describe(self, name: str) -> Entry:
        code = f'@uprobe("{self._binary.name}", "{name}"{self._binary.process})'
        return Entry(self.name, name, code, (("ctx", "UprobeContext"),))


#: The kinds of hooks in binaries, by what makes them of one.
_KINDS = (Symbols, Probes)
BINARY_KINDS = tuple(each.name for each in _KINDS)


def binary_kinds(binary: Binary) -> list[Kind]:
    """Return the kinds of hooks of one binary."""
    return [make(binary) for make in _KINDS]


def binaries_of(names: Sequence[str], pid: int) -> list[Binary]:
    """Return binaries by their names, or all that a process has mapped.

    Args:
        names: paths, programs on ``PATH``, libraries without ``lib`` and ``.so``.
        pid: the process that looks for them; 0 for this one.

    Raises:
        AttachError: there is no such file or process.
    """
    if not pid:
        paths = [binaries.find_binary(name) for name in names]
        return [Binary(path, path) for path in paths]
    found = [Binary(name, find_in_process(name, pid), pid) for name in names or _mapped(pid)]
    return [each for each in found if names or _is_elf(each.file)]


def _mapped(pid: int) -> list[str]:
    try:
        return list(dict.fromkeys(row.path for row in mapped_files(pid)))
    except OSError as error:
        raise AttachError(f"there is no process {pid}: {error.strerror}", target=str(pid)) from None


def _is_elf(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False
