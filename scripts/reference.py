"""What the reference of the site documents: every public name, and the members that are for users.

The pages below ``docs/site/reference`` say which classes and functions there are; docs/site/conf.py
makes the site of them, and ``tests/unit/test_api.py`` holds what they say of themselves to rules.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGES = Path(__file__).resolve().parent.parent / "docs" / "site" / "reference"
_DIRECTIVE = re.compile(r"^\.\. auto(function|class|module):: (\S+)$", re.MULTILINE)

#: What declarations of maps have for the compiler and the session, not for those who declare.
FOR_THE_COMPILER = {
    "aggregate", "data_type", "entries_option", "entries_with", "key_and_value", "opener",
    "pages_with", "places", "record", "shape", "spec", "spec_for", "stored", "types", "verbs",
}  # fmt: skip
_DECLARED_IN = "pyebpf.dsl."


def is_for_users(member: str, thing: Any) -> bool:
    """Tell whether a member of a class is one that users are told of."""
    module = str(getattr(thing, "__module__", "") or "pyebpf")
    hidden = member == "opener" or (member in FOR_THE_COMPILER and module.startswith(_DECLARED_IN))
    return not member.startswith("_") and module.partition(".")[0] == "pyebpf" and not hidden


def documented() -> Iterator[tuple[str, Any]]:
    """Yield what the pages name, with what that is."""
    for page in sorted(PAGES.glob("*.rst")):
        for kind, name in _DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            if kind == "module":
                module = importlib.import_module(name)
                yield from ((f"{name}.{word}", getattr(module, word)) for word in public(name))
            else:
                inside, _, word = name.rpartition(".")
                yield name, getattr(importlib.import_module(inside), word)


def public(name: str) -> list[str]:
    """Return the public names of a module: those of ``__all__``, else what it defines."""
    module = importlib.import_module(name)
    listed: list[str] = list(getattr(module, "__all__", ()))
    made = (
        word
        for word, thing in vars(module).items()
        if getattr(thing, "__module__", "") == name and not word.startswith("_")
    )
    return listed or [word for word in made if callable(getattr(module, word))]


def members(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the functions of something documented: itself, or the methods of a class."""
    if inspect.isfunction(thing):
        yield name, thing
    for cls in inspect.getmro(thing) if inspect.isclass(thing) else ():
        for word, held in vars(cls).items():
            function = held.fget if isinstance(held, property) else getattr(held, "__func__", held)
            if inspect.isfunction(function) and is_for_users(word, function):
                yield f"{name}.{word}", function
