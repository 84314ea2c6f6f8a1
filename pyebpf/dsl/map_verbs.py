"""Methods of maps that are a call of one helper: a row each, in the class that declares the map.

A row is all that the compiler needs: the helper's own row says which arguments there are, and
:mod:`pyebpf.dsl.check.map_verbs` checks them by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

from pyebpf.plain import Frozen


class Gives(Enum):
    """What a method makes of the helper's answer."""

    LOST = auto()  #: nothing; an error is counted, as of an update that is refused
    TAKEN = auto()  #: the value that the helper stored, or None after an error
    TRUTH = auto()  #: whether it is 0
    ONE = auto()  #: whether it is 1
    NUMBER = auto()  #: the number itself
    ENTRY = auto()  #: a record in the map that is always there


class HelperVerb(Frozen):
    """A method.

    Attributes:
        helper: what it calls; where that depends on the kind of program, by its type's name, with
            the others under ``""``.
        gives: see :class:`Gives`.
        flags: bits that are always passed.
        words: keyword arguments that are constants, and the bits that they set if true.
        default: what the flags are if a last argument does not give them; None if none can.
        last: the name of that argument.
    """

    helper: str | Mapping[str, str]
    gives: Gives
    flags: int = 0
    words: Mapping[str, int] = MappingProxyType({})
    default: int | None = None
    last: str = "flags"
