"""Text of traced processes made safe to print.

A file name or a command may hold escape sequences, which would act on the terminal of whoever
traces it.
"""

from __future__ import annotations


def printable(value: object) -> str:
    r"""Return ``value`` as text without characters that act instead of showing.

    Control characters, direction marks and bytes that are no UTF-8 become ``\n``, ``\x1b``,
    ``\u202e``. Text that is printable already comes back as it is, backslashes too.

    >>> print(printable("a\tb\x1b[1m"))
    a\tb\x1b[1m
    """
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # how ``surrogateescape`` keeps a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
