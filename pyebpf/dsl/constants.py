"""Options: values chosen when a program is loaded and constant while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pyebpf.errors import PyebpfError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


class ConstDecl:
    """A declared option. In a probe it is its value, folded; elsewhere ask ``session.option(it)``.

    Attributes:
        default: the value when nobody chooses one; its type is the option's type.
        flags: command-line spellings, ``("-p", "--pid")``, or one name, ``("device",)``, of an
            argument that is given without one.
        help: one line for ``--help``.
        convert: makes the value from the text on the command line.
        metavar: what ``--help`` calls the text.
        bare: the value of a flag without the text; None if it has to have one.
        counted: the value is how often the flag is given.
        merge: makes one value of two, if it is given several times; without it the last counts.
    """

    def __init__(  # noqa: PLR0913 - the words of a declaration
        self,
        default: Any,
        flags: tuple[str, ...],
        help: str,  # noqa: A002 - argparse's word
        convert: Callable[[str], Any] | None = None,
        metavar: str | None = None,
        *,
        bare: Any = None,
        counted: bool = False,
        merge: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        self.default = default
        self.flags = flags
        self.help = help
        self.convert = convert
        self.metavar = metavar
        self.bare = bare
        self.counted = counted
        self.merge = merge

    def __bool__(self) -> bool:
        name = self.flags[-1] if self.flags else "this option"
        raise PyebpfError(
            f"{name} has a value only in a probe or a session: use session.option(...)"
        )


def Const(  # noqa: N802, PLR0913 - reads as a type: a declaration, like Hash or Log2Hist
    default: T,
    *flags: str,
    help: str = "",  # noqa: A002
    convert: Callable[[str], T] | None = None,
    metavar: str | None = None,
    bare: T | None = None,
    counted: bool = False,
    merge: Callable[[T, T], T] | None = None,
) -> T:
    """Declare an option of a tool, or a constant that the loader of a probe may change.

    Code behind a false option is not compiled, so what is not used costs nothing.

    Args:
        default: the value if nothing is chosen: a bool, an int, or a string.
        flags: command-line spellings, ``"-p", "--pid"``; or one name without dashes, ``"device"``:
            such arguments are given in the order of their declarations, and may be left out at the
            end. None for a constant that only ``load(options=…)`` sets.
        help: one line for ``--help``.
        convert: from command-line text to the value; ValueError means a usage error.
        metavar: the name of the text in ``--help``.
        bare: the value if the flag, a word of its own, is not followed by a text; None if it has to
            be. A word that begins with ``-`` is none.
        counted: the value is how often the flag is given: ``-vv`` is 2.
        merge: makes one value of two, if it is given several times; without it the last counts.
    """
    return ConstDecl(  # type: ignore[return-value]
        default, flags, help, convert, metavar, bare=bare, counted=counted, merge=merge
    )


def value_of(option: Any, chosen: Mapping[ConstDecl, Any]) -> Any:
    """Return the value of a constant, or ``option`` itself if it is a plain value."""
    if isinstance(option, ConstDecl):
        return chosen.get(option, option.default)
    return option


def chosen_values(options: Mapping[Any, Any] | None) -> dict[ConstDecl, Any]:
    """Return the ``options=`` of a call: values of constants, by their declarations.

    Raises:
        PyebpfError: a key is no declaration, so its value would be for nothing.
    """
    for key in options or {}:
        if not isinstance(key, ConstDecl):
            raise PyebpfError(f"options: {key!r} is no Const; the declaration itself is the key")
    return dict(options or {})


class Options:
    """What was chosen, for who decides by it before there is a session.

    Args:
        chosen: values of constants.
    """

    def __init__(self, chosen: Mapping[ConstDecl, Any]) -> None:
        self._chosen = chosen

    def option(self, const: Any) -> Any:
        """Return what was chosen for a constant, as ``Session.option`` does."""
        return value_of(const, self._chosen)
