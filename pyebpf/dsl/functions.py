"""What can be said of plain functions that probes call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def noinline(function: F) -> F:
    """Keep a plain function a function, called from probes, instead of expanding it at each call.

    Its arguments and its result are numbers, truth values and pointers, five at most.

    Since:  Linux 4.16.
    """
    function.__pyebpf_noinline__ = True  # type: ignore[attr-defined]
    return function
