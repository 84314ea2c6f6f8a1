"""Plain data without code generation: classes whose fields are their annotations.

``dataclasses`` makes the same, but costs about a millisecond per class when a module is imported, and the
warm start of a tool imports a hundred of them. Everything here may be imported from everywhere.
"""

from __future__ import annotations

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
        fields = self.__dict__
        fields.update(zip(self._fields, values, strict=False))
        if named or len(values) != len(self._fields):
            fields.update(self._rest(values, named))

    def _rest(self, values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        given = self._fields[: len(values)]
        rest = {**{k: v for k, v in self._defaults.items() if k not in given}, **named}
        if len(values) > len(self._fields) or {*rest} != {*self._fields} - {*given}:
            msg = f"{type(self).__name__} takes {', '.join(self._fields)}"
            raise TypeError(msg)
        return rest

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
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in self._fields)))

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return type(self)(**{**self.__dict__, **changes})

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name; fields that are such values too, and tuples of them, as dicts."""
        return {name: _plain(getattr(self, name)) for name in self._fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Frozen):
        return value.as_dict()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
