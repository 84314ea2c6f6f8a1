"""From the ids of stacks in the keys of another map to named stacks with counts.

Shapes below: ``n`` entries of that map, ``c`` possible CPUs.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyebpf.present.stacks import CountedStack

if TYPE_CHECKING:
    from pyebpf.runtime.maps.stacks import StackTraceMap
    from pyebpf.runtime.symbols import Frame

#: A stack that the map had no place for, or whose place was taken.
LOST = ("[lost]",)
#: What ``get_stackid`` gives where there is no stack, as in user space of a kernel thread.
_NO_STACK = -errno.EFAULT

Fields: TypeAlias = "Mapping[str, str | int | None]"
Names: TypeAlias = "tuple[str, ...]"


def counted(
    stacks: StackTraceMap,
    keys: NDArray[Any],
    values: NDArray[Any],
    fields: Fields,
    text: Callable[[Frame], str] = str,
) -> Iterator[CountedStack]:
    """Yield a stack for each entry.

    Args:
        stacks: the map that the ids are of.
        keys: ``(n,)``, records with ids, or ids of kernel stacks.
        values: ``(n,)`` or ``(n, c)``, numbers.
        fields: for ``user``, ``kernel``, ``pid``, ``comm`` and ``number`` the names or numbers of
            the fields.
        text: what makes a name of a place.

    Raises:
        ValueError: no field has the id of a stack; a user stack has no process; the values are no
            numbers.
    """
    if values.dtype.kind not in "iu":
        raise ValueError(f"stacks are counted by whole numbers, and the values are {values.dtype}")
    columns = _columns(keys, fields)
    if "user" not in columns and "kernel" not in columns:
        raise ValueError(
            f"no field of the key is called {fields['user']!r} or {fields['kernel']!r}: it has "
            f"{', '.join(keys.dtype.names or ())}; give user= or kernel=, the field with the id"
        )
    if "user" in columns and "pid" not in columns:
        raise ValueError(
            f"no field of the key is called {fields['pid']!r}: a user stack needs its process; "
            "give pid=, or user=None to leave it out"
        )
    if not len(values):
        return iter(())
    counts = values.reshape(len(values), -1).sum(axis=1).tolist()
    none = np.full(len(keys), _NO_STACK)
    pids = columns.get("pid", np.zeros(len(keys), np.int64)).tolist()
    users = list(zip(columns.get("user", none).tolist(), pids, strict=True))
    kernels = [(key, 0) for key in columns.get("kernel", none).tolist()]
    named = _named(stacks, {*users, *kernels}, text)
    comms = _texts(columns["comm"]) if "comm" in columns else [""] * len(keys)
    if "number" in columns:
        numbers = columns["number"].tolist()
        comms = [f"{comm} ({n})".lstrip() for comm, n in zip(comms, numbers, strict=True)]
    rows = zip(comms, users, kernels, counts, strict=True)
    return (CountedStack(comm, named[user], named[kernel], n) for comm, user, kernel, n in rows)


def _columns(keys: NDArray[Any], fields: Fields) -> dict[str, NDArray[Any]]:
    """Return the fields of the keys by what they are; a key without fields is a kernel's id."""
    names = keys.dtype.names
    if names is None:
        return {"kernel": keys}
    found = {}
    for what, field in fields.items():
        name = names[field] if isinstance(field, int) and field < len(names) else field
        if name in names:
            found[what] = keys[name]
    return found


def _texts(column: NDArray[Any]) -> list[str]:
    texts = np.ascontiguousarray(column).tolist()
    return [
        text.partition(b"\0")[0].decode("utf-8", "replace")
        if isinstance(text, bytes)
        else str(text)
        for text in texts
    ]


def _named(
    stacks: StackTraceMap, wanted: set[tuple[int, int]], text: Callable[[Frame], str]
) -> dict[tuple[int, int], Names]:
    """Return the functions of stacks, the outermost first, by id and process."""
    found: dict[tuple[int, int], Names] = {
        (key, pid): () if key == _NO_STACK else LOST for key, pid in wanted if key < 0
    }
    by_process: dict[int, list[int]] = {}
    for key, pid in wanted - found.keys():
        by_process.setdefault(pid, []).append(key)
    for pid, keys in by_process.items():
        places, lengths = stacks.several(np.array(keys))
        ends = np.cumsum(lengths)
        begins = ends - lengths
        callers = np.ones(len(places), bool)
        callers[begins[lengths > 0]] = False
        frames, numbers = stacks.symbols.different(places, callers, pid)
        names = np.array([text(frame) for frame in frames], object)[numbers]
        for key, begin, end in zip(keys, begins.tolist(), ends.tolist(), strict=True):
            found[key, pid] = tuple(names[begin:end][::-1]) if end > begin else LOST
    return found
