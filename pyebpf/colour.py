"""Colours for messages, where somebody looks at them. Imports nothing of this package.

``NO_COLOR`` and ``FORCE_COLOR`` of the environment decide, in this order, if they are set and not
empty. Without them a terminal gets colours, a file or a pipe does not.

Source: https://no-color.org and https://force-color.org.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

_RESET = "\x1b[0m"
_HEAD, _FAULT, _FRAME, _HELP = "\x1b[1m", "\x1b[1;31m", "\x1b[34m", "\x1b[1;36m"
_STYLES = {"head": _HEAD, "good": "\x1b[32m", "bad": "\x1b[31m", "dim": "\x1b[2m", "frame": _FRAME}


def styled(text: str, style: str) -> str:
    """Return a text in a style: ``head``, ``good``, ``bad``, ``dim`` or ``frame``."""
    return f"{_STYLES[style]}{text}{_RESET}"


def wanted(stream: TextIO | None) -> bool:
    """Tell whether what is written to a stream should have colours."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str) -> str:
    """Return rendered diagnostics in colours; lines that are none of theirs stay as they are."""
    return "\n".join(map(_line, text.split("\n")))


def _line(line: str) -> str:
    if line.startswith("error[") and "]" in line:
        code, _, title = line.partition("]")
        return f"{_FAULT}{code}]{_RESET}{_HEAD}{title}{_RESET}"
    bare = line.lstrip(" ")
    if bare.startswith(("--> ", "::: ")):
        return f"{_FRAME}{line[: -len(bare)]}{bare[:3]}{_RESET}{bare[3:]}"
    if bare.startswith("= help:"):
        start, _, rest = line.partition("= help:")
        return f"{start}{_FRAME}={_RESET} {_HELP}help:{_RESET}{rest}"
    gutter, bar, rest = line.partition("|")
    if not bar or gutter.strip(" 0123456789"):
        return line
    mark = rest.lstrip(" ")[:1]
    if gutter.strip() or mark not in ("^", "-"):  # a line of the source, or an empty one
        return f"{_FRAME}{gutter}|{_RESET}{rest}"
    return f"{_FRAME}{gutter}|{_RESET}{_FAULT if mark == '^' else _FRAME}{rest}{_RESET}"
