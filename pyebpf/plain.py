"""Plain data without code generation: classes whose fields are their annotations.

``dataclasses`` makes the same, but costs about a millisecond per class when a module is imported,
and the warm start of a tool imports a hundred of them. Everything here may be imported from
everywhere.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**_: object) -> Any:
        """Do nothing: only type checkers read it."""
        return lambda cls: cls


class _Fields:
    # What both kinds have: a constructor, a repr, and the names of the fields, bases first.

    _fields: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        own = vars(cls).get("__annotations__", {})
        names = [n for n, t in own.items() if not t.startswith("ClassVar")]
        cls._fields = (*cls._fields, *(n for n in names if n not in cls._fields))
        type.__setattr__(cls, "__match_args__", cls._fields)  # checkers make their own
        defaults = {
            n: v for n, v in vars(cls).items() if n in names and not isinstance(v, property)
        }
        cls._defaults = {**cls._defaults, **defaults}

    def __init__(self, *values: Any, **named: Any) -> None:
        names = self._fields
        fields = self.__dict__
        if len(values) == len(names) and not named:  # mostly
            fields.update(zip(names, values, strict=True))
            return
        if len(values) < len(names):
            fields.update(self._defaults)
        fields.update(zip(names, values, strict=False))
        if named:
            left = names[len(values) :]
            if not all(name in left for name in named):
                raise self._misuse()
            fields.update(named)
        if len(fields) != len(names) or len(values) > len(names):
            raise self._misuse()

    def _misuse(self) -> TypeError:
        return TypeError(f"{type(self).__name__} takes {', '.join(self._fields)}")

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({fields})"


@dataclass_transform(eq_default=False)
class Plain(_Fields):
    """An object with named fields, equal only to itself."""


@dataclass_transform(frozen_default=True)
class Frozen(_Fields):
    """A value: it cannot be changed, and equals another of its class with the same fields."""

    def __setattr__(self, name: str, value: object) -> None:
        msg = f"{type(self).__name__} is frozen: make another one with replace()"
        raise AttributeError(msg)

    def __eq__(self, other: object) -> bool:
        if self is other:  # mostly, where they are equal
            return True
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        fields = self.__dict__
        return hash((type(self), *[fields[name] for name in self._fields]))

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return type(self)(**{**self.__dict__, **changes})


def to_tuples(value: Any) -> Any:
    """Return a value as nested tuples of constants, for ``marshal``; classes stay by name."""
    if isinstance(value, IntEnum):
        return ("#", type(value).__name__, int(value))
    if isinstance(value, Frozen):
        fields = value.__dict__
        return ("@", type(value).__name__, *(to_tuples(fields[name]) for name in value._fields))
    return tuple(to_tuples(item) for item in value) if isinstance(value, tuple) else value


def from_tuples(value: Any, classes: dict[str, Any]) -> Any:
    """Make again what :func:`to_tuples` was given.

    Args:
        value: what it returned.
        classes: the classes that may occur, enumerations too, by name.

    Raises:
        KeyError, TypeError, IndexError: it is something else.
    """
    if not isinstance(value, tuple):
        return value
    if value[:1] == ("@",):
        return classes[value[1]](*(from_tuples(item, classes) for item in value[2:]))
    if value[:1] == ("#",):
        return classes[value[1]](value[2])
    return tuple(from_tuples(item, classes) for item in value)
