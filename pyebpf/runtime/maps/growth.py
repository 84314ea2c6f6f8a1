"""How much the values of a map have grown between two copies of it.

Shapes below: ``n`` entries of the later copy, ``c`` possible CPUs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Copy(NamedTuple):
    """Entries as they were: keys as the bytes that they are, ascending, and the values of each."""

    names: NDArray[np.bytes_]
    values: NDArray[Any]


def copy_of(keys: NDArray[Any], values: NDArray[Any]) -> tuple[Copy, NDArray[np.intp]]:
    """Return entries in the order of the bytes of their keys, and that order.

    Args:
        keys: as the kernel has them, of whatever type, ``(n, …)`` and contiguous.
        values: ``(n,)`` or ``(n, c)``.
    """
    size = keys.nbytes // max(1, len(keys))
    names = keys.reshape(-1).view(f"S{size}") if len(keys) else np.empty(0, "S1")
    order = np.argsort(names, kind="stable")
    return Copy(names[order], values[order]), order


def growth(before: Copy, now: Copy) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return what was added to each entry, and whether anything was.

    Numbers, and those in records and arrays, are subtracted, modulo their width; all else is what
    it is now. What was not there before counts from 0.

    Shape:  ``(n,)`` or ``(n, c)``, and ``(n,)``.
    """
    earlier = np.zeros_like(now.values)
    at = np.searchsorted(before.names, now.names)
    known = at < len(before.names)
    known[known] = before.names[at[known]] == now.names[known]
    earlier[known] = before.values[at[known]]
    new, changed = now.values.copy(), np.zeros(now.values.shape, bool)
    _subtract(new, earlier, changed)
    return new, changed.any(axis=tuple(range(1, changed.ndim))) | ~known


def remembered(before: Copy, now: Copy) -> Copy:
    """Return the later copy, with entries that only the earlier one has: a walk may miss some."""
    missed = ~np.isin(before.names, now.names)
    if not missed.any():
        return now
    names = np.concatenate([now.names, before.names[missed]])
    order = np.argsort(names, kind="stable")
    return Copy(names[order], np.concatenate([now.values, before.values[missed]])[order])


def _subtract(values: Any, earlier: Any, changed: NDArray[np.bool_]) -> None:
    """Subtract in place; note which values were changed, of those that have the shape of it."""
    if values.dtype.names:
        for name in values.dtype.names:
            _subtract(values[name], earlier[name], changed)
    elif values.dtype.kind in "iu":
        values -= earlier
        inner = tuple(range(changed.ndim, values.ndim))
        changed |= values.any(axis=inner) if inner else values != 0
