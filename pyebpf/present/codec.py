"""Values of this package as JSON that is read back whole: numbers of any size, keys of any kind.

``jsonl`` writes for people and their tools; this is for ``from_json`` on another machine, where the
values are merged.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeVar

T = TypeVar("T")
_FORM = "pyebpf"
_VERSION = 1


def dumps(what: str, data: dict[str, Any]) -> str:
    """Return a value's data as a line of JSON that says what it is."""
    return json.dumps({_FORM: what, "version": _VERSION, **data}, separators=(",", ":"))


def loads(what: str, text: str, make: Callable[[dict[str, Any]], T]) -> T:
    """Read what :func:`dumps` wrote.

    Raises:
        ValueError: it is something else, or not complete.
    """
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.pop(_FORM, None) != what:
            raise ValueError(f"this is no {what} that pyebpf wrote: {text[:60]!r}")
        version = data.pop("version", None)
        if version != _VERSION:
            raise ValueError(f"this {what} has the form {version}, and {_VERSION} is known here")
        return make(data)
    except (KeyError, TypeError) as err:
        raise ValueError(f"this {what} is not complete: {err}") from err


def key_out(key: Any) -> Any:
    """Return a key as JSON that :func:`key_in` reads back.

    Raises:
        TypeError: it is a record; choose what of it is the key.
    """
    if isinstance(key, bool | int | str):
        return key
    if isinstance(key, bytes):
        return {"bytes": key.hex()}
    if isinstance(key, IPv4Address | IPv6Address):
        return {"address": str(key)}
    if isinstance(key, tuple) and type(key) is tuple:
        return [key_out(part) for part in key]
    advice = "keys are numbers, text, bytes, addresses, and tuples of these"
    raise TypeError(f"the key {key!r:.60} has no form in JSON to be read back: {advice}")


def key_in(data: Any) -> Any:
    """Return the key that :func:`key_out` wrote."""
    if isinstance(data, list):
        return tuple(key_in(part) for part in data)
    if isinstance(data, dict):
        ((kind, text),) = data.items()
        return bytes.fromhex(text) if kind == "bytes" else ip_address(text)
    return data
