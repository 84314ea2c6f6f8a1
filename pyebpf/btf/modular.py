"""The types of a kernel with those of its modules behind them, as one graph.

Each module's types are a blob of their own, whose ids begin where the kernel's end ("split BTF").
Here the modules that are needed stand one behind the other, so that an id means one type. A module
is taken in when a name is asked for that the kernel has not, or when it is named.
"""

# ruff: noqa: D102 - what is overridden is described in Btf

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple, Protocol

from pyebpf.btf.parse import Btf
from pyebpf.btf.renumber import renumbered
from pyebpf.btf.types import Kind, Type, essential


class Modules(Protocol):
    """The modules of a kernel whose types are known."""

    def having(self, name: str, kernel: Btf) -> Sequence[str]:
        """Return the modules with types of an essential name."""
        ...

    def open(self, module: str, kernel: Btf) -> Btf:
        """Return the types of a module, on top of the kernel's; ``KeyError`` if there are none."""
        ...

    def advice(self, module: str) -> str:
        """Say why there are no types of a module, and what to do."""


class _Part(NamedTuple):
    """A module: its types, and how far their ids are moved."""

    module: str
    btf: Btf
    shift: int

    def number(self, type_id: int) -> int:
        return type_id + self.shift if type_id >= self.btf.first else type_id


class ModularBtf(Btf):
    """The types of a kernel and of its modules. Its own are the kernel's."""

    modules: Modules
    _parts: list[_Part]

    def with_modules(self, modules: Modules) -> ModularBtf:
        """Look for what the kernel has not in these modules."""
        self.modules, self._parts = modules, []
        return self

    def __len__(self) -> int:
        if not self._parts:
            return self.end
        last = self._parts[-1]
        return len(last.btf) + last.shift

    def type(self, type_id: int) -> Type:
        if type_id < self.end:
            return super().type(type_id)
        node = self._decoded.get(type_id)
        if node is None:
            part = self._part(type_id)
            node = renumbered(part.btf.type(type_id - part.shift), part.number)
            self._decoded[type_id] = node
        return node

    def kind(self, type_id: int) -> Kind:
        if type_id < self.end:
            return super().kind(type_id)
        part = self._part(type_id)
        return part.btf.kind(type_id - part.shift)

    def name(self, type_id: int) -> str:
        if type_id < self.end:
            return super().name(type_id)
        part = self._part(type_id)
        return part.btf.name(type_id - part.shift)

    def known_names(self, *, functions: bool) -> list[str]:
        parts = (part.btf.own_names(functions=functions) for part in self._parts)
        return [*super().known_names(functions=functions), *chain.from_iterable(parts)]

    def flavours(self, name: str, *kinds: Kind) -> list[int]:
        found = super().flavours(name, *kinds)
        if found:
            return found
        for module in self.modules.having(essential(name), self):
            self._take_in(module)
        return [i for part in self._parts for i in self._flavours(part, name, *kinds)]

    def within(self, module: str, name: str, *kinds: Kind) -> list[int]:
        part = self._take_in(module)
        return [i for i in self._flavours(part, name, *kinds) if self.name(i) == name]

    def beside(self, type_id: int, name: str, *kinds: Kind) -> list[int]:
        if type_id < self.end:
            return [i for i in super().flavours(name, *kinds) if self.name(i) == name]
        return self.within(self._part(type_id).module, name, *kinds)

    def place(self, type_id: int) -> tuple[str, int]:
        if type_id < self.end:
            return "", type_id
        part = self._part(type_id)
        return part.module, type_id - part.shift

    def without(self, module: str) -> str:
        return self.modules.advice(module)

    def _part(self, type_id: int) -> _Part:
        for part in self._parts:
            if type_id < len(part.btf) + part.shift:
                return part
        raise KeyError(type_id)

    def _take_in(self, module: str) -> _Part:
        for part in self._parts:
            if part.module == module:
                return part
        btf = self.modules.open(module, self)
        self._parts.append(_Part(module, btf, len(self) - self.end))
        return self._parts[-1]

    def _flavours(self, part: _Part, name: str, *kinds: Kind) -> list[int]:
        own = (i for i in part.btf.flavours(name, *kinds) if i >= part.btf.first)
        return [part.number(i) for i in own]
