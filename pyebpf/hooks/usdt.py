"""The USDT probes of programs and libraries, with their arguments."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pyebpf.hooks.entries import Binary, Entry
from pyebpf.runtime.image import open_image
from pyebpf.runtime.usdt.arguments import MACHINES, parse_arguments
from pyebpf.runtime.usdt.notes import Site, sites_of
from pyebpf.runtime.usdt.places import Unreadable
from pyebpf.spec.types import I8, I16, I32, I64, U8, U16, U32, U64, Int

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyebpf.runtime.usdt.arguments import Argument

#: From the narrowest on; of two, the one that most arguments are.
_NUMBERS = (I8, U8, I16, U16, I32, U32, I64, U64)


class Probes:
    """The USDT probes of one binary, with types that fit at every place of a probe."""

    name = "usdt"
    doubt = ""

    def __init__(self, binary: Binary) -> None:
        self._binary = binary

    @cached_property
    def _found(self) -> tuple[str, list[Site]]:
        with open_image(self._binary.file) as image:
            return image.machine, sites_of(image)

    def names(self) -> Iterable[str]:
        return (site.probe for site in self._found[1])

    def describe(self, name: str) -> Entry:
        machine, sites = self._found
        places = [
            parse_arguments(site.arguments, machine)
            for site in sites
            if site.probe == name and machine in MACHINES
        ]
        params = [
            (f"arg{number}", _common_type(arguments))
            for number, arguments in enumerate(zip(*places, strict=False), 1)
        ]
        code = f'@usdt("{self._binary.name}", "{name}"{self._binary.process})'
        return Entry(self.name, name, code, (("ctx", "UprobeContext"), *params))


def _common_type(arguments: tuple[Argument, ...]) -> str:
    """Return the narrowest type that has all values of an argument, wherever it is passed."""
    kinds = [Int(8 * argument.size, argument.signed) for argument in arguments]
    for argument in arguments:
        if isinstance(argument.place, Unreadable):
            return f'"{argument.place.reason}"'  # what no probe can hold is in quotes
    low, high = min(kind.low for kind in kinds), max(kind.high for kind in kinds)
    fits = (str(kind) for kind in _NUMBERS if kind.low <= low and high <= kind.high)
    return next(fits, str(I64))
