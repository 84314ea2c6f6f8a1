"""Every helper of the kernel by its name: ``helpers.get_current_ancestor_cgroup_id(1)`` in a probe.

There is one for each row of ``pyebpf.abi.helpers``, under the kernel's name without ``bpf_``. It
takes what the C function takes, in that order or by name (``from_`` for ``from``); zero for the
``flags`` at the end, and None for what may be null before them, can be left out. Common ones have
shorter spellings: :func:`pyebpf.tgid`, ``m[key]``, ``events.reserve()``.

The list, with signatures: ``docs/helpers.md``; for editors and type checkers: ``helpers.pyi``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from pyebpf.errors import PyebpfError
from pyebpf.lazy import lazy

if TYPE_CHECKING:
    from pyebpf.abi import helpers as table
    from pyebpf.abi.helpers import Helper
else:
    table = lazy("pyebpf.abi.helpers")


class HelperFunction:
    """A helper, as an object that a probe can call; ``__pyebpf_builtin__`` is its row."""

    __pyebpf_builtin__: Helper

    def __init__(self, row: Helper) -> None:
        self.__pyebpf_builtin__ = row
        self.__name__ = row.name
        self.__qualname__ = f"helpers.{row.name}"
        self.__doc__ = f"{row.doc} Since Linux {row.since}."

    def __call__(self, *_args: object, **_named: object) -> NoReturn:
        """Refuse: there is no kernel behind it here."""
        raise PyebpfError(f"helpers.{self.__name__}() works in a probe only")

    def __repr__(self) -> str:
        return f"<helper bpf_{self.__name__}>"


def __getattr__(name: str) -> HelperFunction:
    # A module asks itself for __path__ and the like; none of it is worth the table.
    row = None if name.startswith("__") else table.HELPERS.get(name)
    if row is None:
        raise AttributeError(f"no BPF helper is called {name!r}", name=name, obj=None)
    function = globals()[name] = HelperFunction(row)
    return function


def __dir__() -> list[str]:
    return ["HelperFunction", *table.HELPERS]
