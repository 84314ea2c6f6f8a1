"""What a probe of the kernel says: yes, no, or that it cannot be told."""

from __future__ import annotations

from enum import Enum

from pyebpf.plain import Frozen


class Support(Enum):
    """Whether a kernel has a feature."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Answer(Frozen):
    """The result of a probe.

    Attributes:
        support: yes, no or unknown.
        reason: why it is not yes.
        errno: the kernel's, if the answer was a refused system call; 0 otherwise.
        capability: the capability for lack of which it is unknown.
    """

    support: Support
    reason: str = ""
    errno: int = 0
    capability: str = ""
