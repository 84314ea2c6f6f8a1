"""Structs, unions, enums and typedefs as classes, with all that their members lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.btf import types as btf
from pyebpf.btf.types import Kind, essential
from pyebpf.dsl.types import Space
from pyebpf.stubs.spelling import ANY, annotation, is_writable, python_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyebpf.dsl.check.kernel_types import Kernel
    from pyebpf.dsl.types import ValueType

_INDENT = "    "
_TYPES = (Kind.STRUCT, Kind.UNION, Kind.TYPEDEF, Kind.ENUM, Kind.ENUM64)


class TypeStubs:
    """The module ``pyebpf_stubs.types``, as it grows.

    A class is written for every type that is named, and for every one that its members lead to.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._classes: dict[int, str] = {}  # names of structs and unions, by id
        self._public: set[str] = set()
        self._texts: dict[str, list[str]] = {}
        self._todo: list[tuple[str, int]] = []

    def name(self, name: str) -> bool:
        """Take in the type that a probe gets under a name; False if there is none."""
        found = self._kernel.find(name) if is_writable(name) else None
        if found is None:
            return False
        if self._kernel.has_members(found):
            made = self._class_of(found.id)
            if made != name:
                self._texts[name] = [f"{name}: _TypeAlias = {made}"]
        elif isinstance(self._kernel.btf.type(found.id), (btf.Enum, btf.Enum64)):
            values = filter(is_writable, self._kernel.enumerators(found))
            self._texts[name] = _class(name, "", [f"{value}: _F[_int]" for value in values])
        else:
            kind = self._kernel.value(found.id, Space.KERNEL)
            self._texts[name] = [f"{name}: _TypeAlias = {self.spell(kind)}"]
        self._public.add(name)
        return True

    def spell(self, kind: ValueType | None) -> str:
        """Return the annotation of a value, and take in what it leads to."""
        return annotation(kind, self._kernel, self._reference)

    def text(self) -> str:
        """Return the module's text, the names in the order of the alphabet."""
        while self._todo:
            name, type_id = self._todo.pop()
            self._texts[name] = _class(name, "_Object", self._body(type_id))
        names = "".join(f'{_INDENT}"{name}",\n' for name in sorted(self._public))
        classes = (line for _, lines in sorted(self._texts.items()) for line in (*lines, ""))
        return f"__all__ = [\n{names}]\n\n" + "\n".join(classes)

    def __len__(self) -> int:
        return len(self._texts)

    def _reference(self, type_id: int) -> str:
        made = self._class_of(type_id)
        return f"_k.{made}" if made else ANY

    def _class_of(self, type_id: int) -> str:
        """Return the name of the class of a struct or union; empty if C gives it none."""
        bare = self._kernel.btf.skip(type_id)
        if bare not in self._classes:
            name = self._own_name(type_id)
            found = self._kernel.find(essential(name)) if name else None
            if found is None:
                return ""
            same = self._kernel.btf.skip(found.id)
            if same != bare and essential(name) != name:
                return self._class_of(same)  # nf_conn___init: where one is taken the other will do
            made = python_name(name)
            if same == bare:
                self._public |= {name} if made == name else set()
            else:
                made = f"{made}__{self._number(name, bare)}"
            self._classes[bare] = made
            self._todo.append((made, bare))
        return self._classes[bare]

    def _own_name(self, type_id: int) -> str:
        """Return the name of a struct, or of the last typedef in front of one without a name."""
        name, kernel = "", self._kernel.btf
        node = kernel.type(type_id)
        while isinstance(node, (btf.Typedef, btf.Const, btf.Volatile, btf.Restrict, btf.TypeTag)):
            name = getattr(node, "name", name) if isinstance(node, btf.Typedef) else name
            node = kernel.type(node.type)
        return str(getattr(node, "name", "")) or name

    def _number(self, name: str, bare: int) -> int:
        """Return which of the types of one name this is: files of the kernel have their own."""
        kernel, seen = self._kernel.btf, list[int]()
        for kind in _TYPES:
            seen += [i for i in map(kernel.skip, kernel.find_all(name, kind)) if i not in seen]
        return seen.index(bare) + 1

    def _body(self, type_id: int) -> list[str]:
        """Return the lines of a class: its members, those of anonymous members too."""
        fields = {m.name: m for m in self._members(type_id) if is_writable(m.name)}
        lines: list[str] = []
        for field, member in fields.items():
            nested = f"_{field}"
            while nested in fields:
                nested += "_"

            def nameless(inner: int, nested: str = nested) -> str:
                made = self._reference(inner)
                if made is ANY:
                    lines.extend(_class(nested, "_Object", self._body(inner)))
                    return nested
                return made

            kind = self._kernel.value(member.type, Space.KERNEL)
            lines.append(f"{field}: _F[{annotation(kind, self._kernel, nameless)}]")
        return lines

    def _members(self, type_id: int) -> Iterator[btf.Member]:
        kernel = self._kernel.btf
        for member in getattr(kernel.type(kernel.skip(type_id)), "members", ()):
            if member.name:
                yield member
            else:
                yield from self._members(member.type)


def _class(name: str, base: str, body: list[str]) -> list[str]:
    head = f"class {name}({base}):" if base else f"class {name}:"
    return [f"{head} ..."] if not body else [head, *(_INDENT + line for line in body)]
