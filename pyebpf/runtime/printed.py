"""Lines that probes print: from the records of a ring buffer to text.

Formatting is Python's own, with the specifications of the probe's f-string.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyebpf.present.escape import printable
from pyebpf.spec.octets import octets_value

if TYPE_CHECKING:
    from pyebpf.spec.views import PrintPart, PrintSpec


#: A width that a probe computed may not be larger: nobody reads such a line, and it fills memory.
_WIDEST = 4_096
_CONVERSIONS: dict[str, Callable[[object], object]] = {
    "": lambda value: value,
    "s": str,
    "r": repr,
    "a": ascii,
}


def format_line(record: bytes, prints: tuple[PrintSpec, ...]) -> str:
    """Return the text of one record, its line end included.

    Text that came from the traced system has its control characters escaped.
    """
    spec = prints[int.from_bytes(record[:4], "little")]
    out = [spec.literals[0]]
    pairs = iter(zip(spec.literals[1:], spec.values, strict=True))
    for literal, part in pairs:
        inner = [next(pairs) for _ in range(part.format.count("\0"))]
        numbers = [_read(record, one) for _, one in inner]
        out.append(_shown(_read(record, part), part, numbers))
        out.append(inner[-1][0] if inner else literal)
    return "".join(out) + spec.end


def _read(record: bytes, part: PrintPart) -> object:
    raw = record[part.offset : part.offset + part.size]
    if part.role:
        return octets_value(part.role, raw)
    if part.text:
        return printable(raw.partition(b"\0")[0])
    number = int.from_bytes(raw, "little", signed=part.signed)
    return bool(number) if part.boolean else number


def _shown(value: object, part: PrintPart, numbers: list[object]) -> str:
    spec = part.format
    for number in numbers:
        spec = spec.replace("\0", str(number), 1)
    try:
        if any(isinstance(number, int) and number > _WIDEST for number in numbers):
            raise OverflowError(f"more than {_WIDEST} characters")  # noqa: TRY301 - as format does
        return format(_CONVERSIONS[part.conversion](value), spec)
    except (ValueError, OverflowError) as err:
        # Python would end the program that prints; here that is another one, which goes on.
        return f"<{value!r}:{spec}: {err}>"
