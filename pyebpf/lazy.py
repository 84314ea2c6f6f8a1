"""Modules that are imported when first used.

For what a warm start of a tool never needs: the verifier's messages, the kernel's types, the
probes of features. Beside the call stands an ordinary import for type checkers, so that the layer
rule sees it::

    if TYPE_CHECKING:
        from pyebpf.runtime import verifier
    else:
        verifier = lazy("pyebpf.runtime.verifier")
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # a head start cannot wait for typing
if TYPE_CHECKING:
    from typing import Any


class LazyModule:
    """Stands for a module; the first attribute asked for imports it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self._name), attribute)
        self.__dict__[attribute] = value
        return value


def lazy(name: str) -> Any:
    """Return something that behaves like the module ``name`` and imports it when needed."""
    return LazyModule(name)
