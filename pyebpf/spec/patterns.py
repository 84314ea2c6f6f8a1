"""Patterns that stand for names: ``tcp_*`` as the shell has it, or ``/^tcp_(send|recv)msg$/``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyebpf.errors import PyebpfError
from pyebpf.lazy import lazy

if TYPE_CHECKING:
    import fnmatch
    from collections.abc import Callable
else:
    fnmatch = lazy("fnmatch")  # few starts have a pattern


def is_expression(name: object) -> bool:
    """Tell whether a name is a regular expression between slashes."""
    return isinstance(name, str) and len(name) > 2 and name[0] == "/" == name[-1]


def is_pattern(name: object) -> bool:
    """Tell whether a name stands for all that it matches."""
    return is_expression(name) or (isinstance(name, str) and any(sign in name for sign in "*?["))


def matcher(pattern: str) -> Callable[[str], object]:
    """Return what tells whether a pattern matches a name.

    Args:
        pattern: of the shell, for whole names; or a regular expression between slashes, which
            matches at the begin of a name.

    Raises:
        PyebpfError: it is no regular expression.
    """
    if not is_expression(pattern):
        return re.compile(fnmatch.translate(pattern)).match
    try:
        return re.compile(pattern[1:-1]).match
    except re.error as err:
        raise PyebpfError(f"{pattern} is no regular expression: {err}") from None
