"""BTF bytes as a graph of types, read lazily.

Only the lengths of the types are looked at in the beginning; a type is decoded when somebody asks
for it. No numpy here: a tool that starts from a cache has not imported it yet.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from pyebpf.btf import index
from pyebpf.btf.decode import DECODERS
from pyebpf.btf.near import nearest
from pyebpf.btf.types import MODIFIERS, Kind, Type, Void, essential
from pyebpf.errors import FormatError
from pyebpf.progress import doing

if TYPE_CHECKING:
    from mmap import mmap

    from typing_extensions import Self

#: A chain of modifiers, typedefs or nested types longer than this is a cycle.
MAX_DEPTH = 64

_HEADER = struct.Struct("<HBBIIIII")  # magic, version, flags, hdr_len, type off/len, str off/len
_MAGIC = 0xEB9F
#: So many times more names are looked at where only those of some kinds are wanted.
_OF_OTHER_KINDS = 4


class Store(Protocol):
    """Bytes by name, kept between processes: for the indexes of one BTF blob."""

    def read(self, name: str) -> bytes | None:
        """Return what was written under ``name``, or None."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Keep ``data``, if possible."""
        ...


class Btf:
    """The types of a kernel, a kernel module, or an object file.

    ``len(btf)`` is the number of type ids: the valid ones are ``range(len(btf))``. Id 0 is
    ``void``. With a ``base``, the ids below ``first`` are those of the base ("split BTF").

    Every method raises ``FormatError`` when the bytes it comes across are wrong, and for a type id
    that does not exist, since ids come from the bytes.

    Attributes:
        data: the bytes, or the memory map they are read from.
        base: the types that this BTF builds upon, if it is split.
        first: the id of the first type of its own.
        end: one past the last of its own.
        starts: where each of its own types starts in the type section, in 32-bit words.
        strings_end: one past the last offset of a string, over the base's strings and its own.
    """

    def __init__(
        self,
        data: bytes | mmap,
        sections: tuple[int, int, int, int],
        *,
        base: Btf | None = None,
        store: Store | None = None,
    ) -> None:
        types, types_end, text, text_end = sections
        self.data = data
        self.base = base
        self.first = base.end if base is not None else 1
        self._types, self._text, self._text_end = types, text, text_end
        self._words: Sequence[int] = memoryview(data)[types:types_end].cast("I")
        self._first_string = base.strings_end if base is not None else 0
        self.strings_end: int = self._first_string + text_end - text
        self._read_string = index.strings(data, text, text_end)
        self._store = store
        self._tables: dict[str, index.NameTable] = {}
        self.starts = self._load_starts(types_end)
        self.end: int = self.first + len(self.starts)
        self._decoded: dict[int, Type] = {}
        self._found: dict[tuple[str, bool], list[int]] = {}

    @classmethod
    def parse(
        cls, data: bytes | mmap, base: Btf | None = None, *, store: Store | None = None
    ) -> Self:
        """Return the types in ``data``.

        Args:
            data: the raw BTF, as in ``/sys/kernel/btf/vmlinux`` or a ``.BTF`` section.
            base: the kernel's types, when ``data`` is that of a module.
            store: where indexes of these very bytes are kept from one process to the next.

        Raises:
            FormatError: the bytes are not little-endian BTF, or are cut short.
        Cost:    40 ms for a kernel's 126,000 types, next to nothing with a ``store``.
        """
        sections = _sections(data, split=base is not None)
        return cls(data, sections, base=base, store=store)

    def sections(self) -> tuple[bytes, bytes]:
        """Return the bytes of its types and of its strings, without the header."""
        return bytes(self._words), self.data[self._text : self._text_end]

    def __len__(self) -> int:
        return self.end

    def type(self, type_id: int) -> Type:
        """Return the node of a type id."""
        node = self._decoded.get(type_id)
        if node is None:
            node = self._decoded[type_id] = self._decode(type_id)
        return node

    def types(self) -> Iterator[Type]:
        """Yield every node of its own, in the order of the ids from :attr:`first` on."""
        return map(self._decode, range(self.first, len(self)))

    def kind(self, type_id: int) -> Kind:
        """Return the kind of a type without decoding it."""
        if type_id == 0:
            return Kind.VOID
        if self.base is not None and type_id < self.first:
            return self.base.kind(type_id)
        return Kind(self._words[self._start(type_id) + 1] >> 24 & 0x7F)

    def name(self, type_id: int) -> str:
        """Return the name of a type; empty if it has none."""
        if type_id == 0:
            return ""
        if self.base is not None and type_id < self.first:
            return self.base.name(type_id)
        return self.string(self._words[self._start(type_id)])

    def string(self, offset: int) -> str:
        """Return the string at an offset of the string section."""
        return index.decode(self.raw_string(offset)) if offset else ""

    def find(self, name: str, *kinds: Kind) -> int:
        """Return the id of the first type called ``name``, of one of ``kinds`` or of any.

        Raises:
            KeyError: there is none. :meth:`similar` has names to offer.
        Cost:    some microseconds. The first search reads all names of a BTF that is in no store:
                 20 ms for a kernel's types, 60 ms for its functions. Name the ``kinds`` to
                 spare one of the two.
        """
        for type_id in self.find_all(name, *kinds):
            return type_id
        raise KeyError(name)

    def find_all(self, name: str, *kinds: Kind) -> list[int]:
        """Return the ids of all types called ``name``, ascending; the base's are the first."""
        return [i for i in self.flavours(name, *kinds) if self.name(i) == name]

    def flavours(self, name: str, *kinds: Kind) -> list[int]:
        """Return the ids of all types that have the same essential name as ``name``, ascending.

        ``request___v5`` and ``request`` are flavours of each other: ``pyebpf.btf.types.essential``.
        """
        name, ids = essential(name), []
        if not kinds or kinds != (Kind.FUNC,):
            ids += self._memoised(name, functions=False)
        if not kinds or Kind.FUNC in kinds:
            ids = sorted(ids + self._memoised(name, functions=True))
        return [i for i in ids if not kinds or self.kind(i) in kinds]

    def within(self, module: str, name: str, *kinds: Kind) -> list[int]:  # noqa: ARG002
        """Return the ids of the types called ``name`` of a module.

        Raises:
            KeyError: there are no types of that module; :meth:`without` says why.
        """
        raise KeyError(module)

    def without(self, module: str) -> str:
        """Say why there are no types of a module, and what to do."""
        return f"the target has no types of a module {module}"

    def beside(self, type_id: int, name: str, *kinds: Kind) -> list[int]:  # noqa: ARG002
        """Return the ids of the types called ``name`` of the blob that has ``type_id``."""
        return self.find_all(name, *kinds)

    def place(self, type_id: int) -> tuple[str, int]:
        """Return where the kernel has a type: the module, empty for itself, and the id there."""
        return "", type_id

    def skip(self, type_id: int) -> int:
        """Return the type behind typedefs and modifiers."""
        return self._behind(type_id, _WRAPPERS)

    def skip_modifiers(self, type_id: int) -> int:
        """Return the type behind ``const``, ``volatile``, ``restrict`` and type tags."""
        return self._behind(type_id, MODIFIERS)

    def names(self, kinds: Iterable[Kind] = ()) -> Iterator[tuple[int, str]]:
        """Yield id and name of every type that has a name, the base's included.

        Cost:    about 0.1 s for the types of a kernel.
        """
        wanted = frozenset(kinds)
        for type_id in range(1, len(self)):
            if (not wanted or self.kind(type_id) in wanted) and (name := self.name(type_id)):
                yield type_id, name

    def own_names(self, *, functions: bool) -> list[str]:
        """Return the names of all functions, or of all other types, in the order of their ids.

        Cost:    some 20 ms for a kernel's, from the table that :meth:`find` uses.
        """
        words = array("I", bytes(self._words))
        offsets = [
            words[at] for at in self._table("functions" if functions else "types").entries[1:]
        ]
        return [index.decode(name) for name in self._strings(offsets)]

    def known_names(self, *, functions: bool) -> list[str]:
        """Return the base's names and those of its own; a name may come twice."""
        base = [] if self.base is None else self.base.known_names(functions=functions)
        return base + self.own_names(functions=functions)

    def similar(self, name: str, kinds: Iterable[Kind] = (), n: int = 3) -> list[str]:
        """Return up to ``n`` names that resemble ``name``, for messages.

        Cost:    some 0.1 s for the types of a kernel.
        """
        wanted = tuple(kinds)
        pool: list[str] = []
        if wanted != (Kind.FUNC,):
            pool += self.known_names(functions=False)
        if not wanted or Kind.FUNC in wanted:
            pool += self.known_names(functions=True)
        # Some of the nearest are of other kinds; to ask that of all would take longest.
        near = nearest(name, pool, n * _OF_OTHER_KINDS if wanted else n)
        return [other for other in near if not wanted or self._is_one(other, wanted)][:n]

    def _is_one(self, name: str, kinds: Sequence[Kind]) -> bool:
        return any(self.kind(type_id) in kinds for type_id in self.flavours(name))

    def _start(self, type_id: int) -> int:
        number = type_id - self.first
        if not 0 <= number < len(self.starts):
            msg = f"BTF has no type {type_id}; its ids end at {len(self) - 1}"
            raise FormatError(msg)
        return self.starts[number]

    def raw_string(self, offset: int) -> bytes:
        """Return the bytes of a string at an offset of the string section."""
        if self.base is not None and offset < self._first_string:
            return self.base.raw_string(offset)
        return self._read_string(offset - self._first_string)

    def _strings(self, offsets: Sequence[int]) -> list[bytes]:
        if self.base is not None:
            return [self.raw_string(offset) for offset in offsets]
        return index.read_all(self.data[self._text : self._text_end], offsets)

    def _decode(self, type_id: int) -> Type:
        if type_id == 0:
            return _VOID
        if self.base is not None and type_id < self.first:
            return self.base.type(type_id)
        start = self._start(type_id)
        name, info, size = self._words[start : start + 3]
        decoder = DECODERS[info >> 24 & 0x7F]
        rest = self._types + 4 * start + 12
        return decoder(self.data, rest, self.string, self.string(name), info, size)

    def _load_starts(self, types_end: int) -> Sequence[int]:
        kept = self._store.read("starts") if self._store is not None else None
        tables = index.load(kept, len(self.data), 1)
        if tables:
            return tables[0]
        with doing("indexing the kernel's types"):
            starts = index.walk(array("I", self.data[self._types : types_end]))
        if self._store is not None:
            self._store.write("starts", index.dump(len(self.data), starts))
        return starts

    def _table(self, name: str) -> index.NameTable:
        """Return the table called ``types`` or ``functions``; make and keep it if need be."""
        table = self._tables.get(name)
        if table is None:
            kept = self._store.read(name) if self._store is not None else None
            table = index.NameTable.load(kept, len(self.data)) or self._build_table(name)
            self._tables[name] = table
        return table

    def _build_table(self, name: str) -> index.NameTable:
        with doing("indexing the kernel's types"):
            words = array("I", bytes(self._words))  # indexing a memoryview costs twice as much
            entries = index.named(words, self.starts, functions=name == "functions")
            table = index.NameTable.build(entries, self._strings([words[at] for at in entries]))
        if self._store is not None:
            self._store.write(name, table.dump(len(self.data)))
        return table

    def _search(self, name: str, *, functions: bool) -> list[int]:
        """Return the functions, or all others, whose essential name is ``name``."""
        starts = self._table("functions" if functions else "types").candidates(name)
        own = (self.first + bisect_left(self.starts, start) for start in starts)
        found = [i for i in own if essential(self.name(i)) == name]
        if self.base is None:
            return found
        return self.base._memoised(name, functions=functions) + found  # noqa: SLF001 - same class

    def _memoised(self, name: str, *, functions: bool) -> list[int]:
        ids = self._found.get((name, functions))
        if ids is None:
            ids = self._found[name, functions] = self._search(name, functions=functions)
        return ids

    def _behind(self, type_id: int, kinds: frozenset[Kind]) -> int:
        for _ in range(MAX_DEPTH):
            if self.kind(type_id) not in kinds:
                return type_id
            type_id = self.type(type_id).type  # type: ignore[attr-defined]
        msg = f"BTF type {type_id} is a cycle of typedefs or modifiers"
        raise FormatError(msg)


_VOID = Void()
_WRAPPERS = MODIFIERS | {Kind.TYPEDEF}


def _sections(data: bytes | mmap, *, split: bool) -> tuple[int, int, int, int]:
    """Return begin and end of the types and of the strings."""
    if len(data) < _HEADER.size:
        msg = f"{len(data)} bytes are too few for BTF: its header alone has {_HEADER.size}"
        raise FormatError(msg)
    magic, version, _, header, type_off, type_len, str_off, str_len = _HEADER.unpack_from(data)
    if magic == 0x9FEB:
        msg = "this BTF is big-endian; only little-endian machines are supported"
        raise FormatError(msg)
    if magic != _MAGIC or version != 1:
        msg = f"not BTF: magic {magic:#06x}, version {version} (expected {_MAGIC:#06x} and 1)"
        raise FormatError(msg)
    types, text = header + type_off, header + str_off
    if header < _HEADER.size or type_len % 4 or max(types + type_len, text + str_len) > len(data):
        msg = f"BTF is damaged: its header claims more than the {len(data)} bytes there are"
        raise FormatError(msg)
    if data[text + str_len - 1] if str_len else not split:
        msg = "BTF is damaged: its string section does not end with a NUL"
        raise FormatError(msg)
    if not split and data[text]:
        msg = "BTF does not begin with an empty string: a module's needs the kernel's as its base"
        raise FormatError(msg)
    return types, types + type_len, text, text + str_len
