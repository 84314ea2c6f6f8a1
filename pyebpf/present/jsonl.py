"""JSON lines: one object per line, from numpy as well."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pyebpf.present.escape import printable


@runtime_checkable
class HasDict(Protocol):
    """A result that can say itself as plain data, such as a histogram."""

    def to_dict(self) -> Any:
        """Return dictionaries, lists, numbers and strings."""
        ...


def plain(value: Any) -> Any:
    r"""Return ``value`` as what JSON knows.

    Records become objects, arrays become lists, text ends at its NUL, bytes that are no UTF-8
    become ``\xff``, and IP addresses and networks are text as they are written. What JSON has no
    number for (NaN and the infinities) becomes null.

    Raises:
        TypeError: the value has no such form.
    """
    if isinstance(value, np.void) and value.dtype.names:
        return {name: plain(value[name]) for name in value.dtype.names}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, bytes):
        return _encodable(value.partition(b"\0")[0].decode("utf-8", "surrogateescape"))
    return _plain_container(value)


def _plain_container(value: Any) -> Any:
    if isinstance(value, HasDict):
        return plain(value.to_dict())
    if isinstance(value, Mapping):
        return {_name(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | np.ndarray):
        return [plain(item) for item in value]
    if type(value).__module__ == "ipaddress":
        return str(value)
    raise TypeError(f"{type(value).__name__} {value!r:.60} has no form in JSON")


def _name(key: Any) -> str:
    key = plain(key)
    return key if isinstance(key, str) else json.dumps(key)


def _encodable(text: str) -> str:
    # JSON escapes control characters itself; only half a surrogate pair has no form in it.
    if text.isprintable():
        return text
    return "".join(printable(c) if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)


def line(value: Any) -> str:
    """Return ``value`` as one line of JSON, without the newline."""
    return json.dumps(plain(value), allow_nan=False)


def lines(records: NDArray[Any]) -> Iterator[str]:
    """Yield one line for each record of a structured array.

    Shape:  ``(n,)`` of a structured dtype gives ``n`` lines.
    """
    names = records.dtype.names
    if names is None:
        raise TypeError(f"records have named fields; this array is of {records.dtype}")
    if any(records.dtype[name].base.names for name in names):
        yield from map(line, records)  # records inside records: ``tolist`` would lose their names
        return
    for row in records.tolist():
        yield line(dict(zip(names, row, strict=True)))
