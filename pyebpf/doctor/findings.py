"""What the doctor says: a line for each feature, in groups."""

from __future__ import annotations

from enum import Enum

from pyebpf.plain import Frozen


class Word(Enum):
    """The answer. ``CANNOT_TELL``: the kernel was not asked, or did not answer."""

    YES = "yes"
    NO = "no"
    CANNOT_TELL = "?"
    #: No question, but something to know: a setting and its value.
    FACT = "-"


class Cause(Enum):
    """What keeps a feature away."""

    NONE = ""
    KERNEL = "kernel"  #: it does not know the feature
    CONFIGURATION = "configuration"  #: it was built without
    PRIVILEGE = "privilege"  #: this process lacks a capability
    POLICY = "policy"  #: it is refused although the capabilities are held
    SETTING = "setting"  #: a sysctl, a mount, a limit
    RESOURCE = "resource"  #: memory or descriptors ran out


class Finding(Frozen):
    """One line.

    Attributes:
        name: of the feature; what ``KernelFeatures.has`` takes where that knows it.
        label: what it is called in its group.
        word: the answer.
        reason: why it is not yes, or what a setting is.
        advice: what to do about it; empty if there is nothing.
        cause: what keeps it away.
    """

    name: str
    label: str
    word: Word
    reason: str = ""
    advice: str = ""
    cause: Cause = Cause.NONE


class Group(Frozen):
    """Lines under a title. Of a ``terse`` group those that say yes are only named."""

    title: str
    findings: tuple[Finding, ...]
    terse: bool = False
