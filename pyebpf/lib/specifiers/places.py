"""Where a specifier looks: a function, a tracepoint, a USDT probe, or all that a pattern matches.

``[{p,r,t,u}:][library or category:]name``; the name may be a pattern, ``vfs_*`` or ``/^vfs_/``.
"""

from __future__ import annotations

from pyebpf.lib.specifiers.expressions import Part
from pyebpf.plain import Frozen
from pyebpf.spec.patterns import is_expression, is_pattern

KINDS = {"p": "the begin of a function", "r": "its end", "t": "a tracepoint", "u": "a USDT probe"}


class Place(Frozen):
    """Where a specifier looks.

    Attributes:
        kind: a key of ``KINDS``.
        inside: the library or program, the category of a tracepoint; empty for the kernel.
        name: of the function, tracepoint or USDT probe; or a pattern.
    """

    kind: str
    inside: str
    name: str

    @property
    def is_user(self) -> bool:
        """Whether it is in processes."""
        return self.kind == "u" or (self.kind in "pr" and bool(self.inside))

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for all that it matches."""
        return is_pattern(self.name)


def read_place(part: Part) -> Place:
    """Read a place: ``vfs_read``, ``c:malloc``, ``p::vfs_*``, ``t:block:*``, ``u:pthread:start``.

    Raises:
        SpecifierError: it makes no sense.
    """
    kind, inside, name = _parts(part.text)
    if kind in "tu" and not inside:
        raise part.fault(f"{missing(kind)} is missing here: {kind}:CATEGORY OR LIBRARY:NAME")
    if not name or any(sign.isspace() for sign in name):
        raise part.fault("this is no name of a function: vfs_read, c:malloc, t:sched:sched_switch")
    return Place(kind, inside, name)


def missing(kind: str) -> str:
    """Say what a tracepoint or a USDT probe is in."""
    return "the category of the tracepoint" if kind == "t" else "the library or program"


def _parts(text: str) -> tuple[str, str, str]:
    if is_expression(text) and ":/" not in text:  # no path before it
        return "p", "", text
    head, colon, rest = text.partition(":")
    if head in KINDS and ":" in rest:
        inside, _, name = rest.partition(":")
        return head, inside, name
    return ("p", head, rest) if colon else ("p", "", text)
