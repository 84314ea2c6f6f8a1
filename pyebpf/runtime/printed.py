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
    for literal, part in zip(spec.literals[1:], spec.values, strict=True):
        out.append(_value(record, part))
        out.append(literal)
    return "".join(out) + spec.end


def _value(record: bytes, part: PrintPart) -> str:
    raw = record[part.offset : part.offset + part.size]
    value: object
    if part.role:
        value = octets_value(part.role, raw)
    elif part.text:
        value = printable(raw.partition(b"\0")[0])
    else:
        number = int.from_bytes(raw, "little", signed=part.signed)
        value = bool(number) if part.boolean else number
    try:
        return format(_CONVERSIONS[part.conversion](value), part.format)
    except (ValueError, OverflowError) as err:
        # Python would end the program that prints; here that is another one, which goes on.
        return f"<{value!r}:{part.format}: {err}>"
