"""The maps of an object: those declared in ``.maps``, and one for each section of global data.

A declaration is a variable of a struct type whose members say everything in their *types*:
``max_entries`` is a pointer to an array of so many ints, ``value`` a pointer to the value's type.

Source: the macros ``__uint``, ``__type``, ``__array`` of libbpf's ``bpf_helpers.h``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from pyebpf.abi import constants as c
from pyebpf.abi.maps import map_kind_by_id
from pyebpf.btf import types as t
from pyebpf.btf.parse import Btf
from pyebpf.errors import FormatError
from pyebpf.runtime import elf_file
from pyebpf.runtime.elf_file import ElfFile, Section
from pyebpf.spec.from_btf import data_type, section_type
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import U32

_U32_MAX = 0xFFFFFFFF
_MAX_DEPTH = 32
#: More zeroes than this in one ``.bss`` are taken for a damaged file.
_MAX_DATA = 64 << 20
_MAX_NAME = c.BPF_OBJ_NAME_LEN - 1
_PIN_NONE, _PIN_BY_NAME = 0, 1
PIN_FOLDER = "/sys/fs/bpf"


class ObjectMaps:
    """The maps of an object, and how its symbols find them.

    ``section`` is the number of ``.maps``; ``at_offset`` names the map at a byte of it; ``data``
    names the global-data map of a section number.
    """

    def __init__(self) -> None:
        self.specs: list[MapSpec] = []
        self.section = -1
        self.at_offset: dict[int, str] = {}
        self.data: dict[int, str] = {}
        self.kconfig: list[str] = []


def read_maps(elf: ElfFile, btf_data: bytes, prefix: str) -> ObjectMaps:
    """Return the maps of an object.

    Args:
        elf: the object.
        btf_data: its BTF, data sections laid out; empty if it has none.
        prefix: the name of the object, or nothing.

    Raises:
        FormatError: a declaration is incomplete, or says something that is not known here.
    """
    found = ObjectMaps()
    btf = Btf.parse(btf_data) if btf_data else None
    sections = _sections(btf) if btf else {}
    declared = elf.find(".maps")
    if elf.find("maps"):
        raise FormatError(
            "section 'maps' declares maps in the form before BTF; declare them in section '.maps'"
        )
    if declared is not None:
        if btf is None or ".maps" not in sections:
            raise FormatError(f"{declared}: its maps are not described in .BTF (compile with -g)")
        _read_declared(elf, declared, btf, sections[".maps"][1], found)
    for section in elf.sections:
        if _is_data(section):
            spec = _data_map(elf, section, btf, sections.get(section.name), prefix)
            found.data[section.number] = spec.name
            found.specs.append(spec)
    if btf and ".kconfig" in sections:
        found.kconfig = [btf.name(var.type) for var in sections[".kconfig"][1].vars]
    return found


def _sections(btf: Btf) -> dict[str, tuple[int, t.DataSec]]:
    return {
        node.name: (number, node)
        for number, node in enumerate(btf.types(), btf.first)
        if isinstance(node, t.DataSec)
    }


def _is_data(section: Section) -> bool:
    stem = section.name[1:].partition(".")[0]
    named = section.name.startswith(".") and stem in ("data", "rodata", "bss")
    kinds = (elf_file.SHT_PROGBITS, elf_file.SHT_NOBITS)
    return named and bool(section.size) and section.kind in kinds and not section.is_code


def _data_map(
    elf: ElfFile,
    section: Section,
    btf: Btf | None,
    described: tuple[int, t.DataSec] | None,
    prefix: str,
) -> MapSpec:
    if section.size > _MAX_DATA:
        raise FormatError(f"{section}: {section.size} bytes; at most {_MAX_DATA} are possible")
    content = elf.contents(section)
    read_only = section.name.startswith(".rodata")
    number, value = 0, None
    if btf and described and described[1].size == section.size:
        number, value = described[0], section_type(btf, described[1], section.size)
    return MapSpec(
        name=_data_name(section.name, prefix),
        kind="array",
        key_size=4,
        value_size=section.size,
        max_entries=1,
        flags=c.BPF_F_MMAPABLE | (c.BPF_F_RDONLY_PROG if read_only else 0),
        key=U32,
        value=value,
        value_type=number,
        initial=content or bytes(section.size),
        frozen=read_only,
    )


def _data_name(section: str, prefix: str) -> str:
    """Name a data map as libbpf does: a section of its own keeps its name."""
    if "." in section[1:]:
        return section
    return prefix[: max(0, _MAX_NAME - len(section))] + section


def _read_declared(
    elf: ElfFile, section: Section, btf: Btf, layout: t.DataSec, found: ObjectMaps
) -> None:
    found.section = section.number
    slots = {r.offset: r.symbol for r in elf.relocations(section)}
    for place in layout.vars:
        var = btf.type(place.type)
        if not isinstance(var, t.Var) or place.offset + place.size > section.size:
            raise FormatError(f"{section}: what is at byte {place.offset} is no map")
        declaration = _Declaration(btf, var.name, var.type)
        spec = declaration.read()
        first = place.offset + declaration.values_at
        inside = [o for o in slots if place.offset <= o < place.offset + place.size]
        entries = tuple(((o - first) // 8, slots[o].name) for o in sorted(inside))
        if entries and declaration.values_at < 0:
            raise FormatError(f"{section}: map {var.name!r} has initial values but no 'values'")
        found.at_offset[place.offset] = var.name
        found.specs.append(spec.replace(slots=entries) if entries else spec)


def size_of(btf: Btf, type_id: int) -> int | None:
    """Return how many bytes a value of a type has; None if that is not known."""
    count = 1
    for _ in range(_MAX_DEPTH):
        node = btf.type(btf.skip(type_id))
        if isinstance(node, t.Ptr):
            return 8 * count
        if not isinstance(node, t.Array):
            size: int | None = getattr(node, "size", None)
            return None if size is None else size * count
        count *= node.count
        type_id = node.element
    return None


class _Declaration:
    """One map declaration while it is being read."""

    def __init__(self, btf: Btf, name: str, type_id: int, *, is_inner: bool = False) -> None:
        self._btf, self._name, self._type_id, self._is_inner = btf, name, type_id, is_inner
        self._kind = self._flags = self._entries = self._node = self._extra = 0
        self._sizes: dict[str, int] = {}
        self._types: dict[str, int] = {}
        self._pinning: str | None = None
        self._inner: MapSpec | None = None
        self.values_at = -1  #: byte of the member ``values`` in the declaration

    def read(self) -> MapSpec:
        node = self._btf.type(self._btf.skip(self._type_id))
        if not isinstance(node, t.Struct):
            raise self._error("its declaration is no struct")
        for member in node.members:
            read = self._READERS.get(member.name)
            if read is None:
                raise self._error(f"its declaration has a member {member.name!r} that is not known")
            read(self, member)
        if not self._kind:
            raise self._error("its declaration does not say the type")
        return self._spec()

    def _spec(self) -> MapSpec:
        key, value = self._types.get("key", 0), self._types.get("value", 0)
        row = map_kind_by_id(self._kind)
        if row is None:
            raise self._error(f"its type {self._kind} is not known to this version")
        return MapSpec(
            name=self._name,
            kind=row.name,
            key_size=self._sizes.get("key", 0),
            value_size=self._sizes.get("value", 0),
            max_entries=self._entries,
            flags=self._flags,
            key=data_type(self._btf, key) if key else None,
            value=data_type(self._btf, value) if value else None,
            key_type=key,
            value_type=value,
            pinning=self._pinning,
            inner=self._inner,
            numa_node=self._node,
            extra=self._extra,
        )

    def _read_kind(self, member: t.Member) -> None:
        self._kind = self._number(member)

    def _read_entries(self, member: t.Member) -> None:
        self._entries = self._number(member)

    def _read_flags(self, member: t.Member) -> None:
        self._flags |= self._number(member)

    def _read_extra(self, member: t.Member) -> None:
        self._extra = self._number(member)

    def _read_node(self, member: t.Member) -> None:
        self._node = self._number(member)
        self._flags |= c.BPF_F_NUMA_NODE

    def _read_size(self, member: t.Member) -> None:
        self._set_size(member.name.removesuffix("_size"), self._number(member))

    def _read_type(self, member: t.Member) -> None:
        target = self._pointed(member)
        size = size_of(self._btf, target)
        if size is None:
            raise self._error(f"the type of its {member.name} has no size")
        self._types[member.name] = target
        self._set_size(member.name, size)

    def _set_size(self, which: str, size: int) -> None:
        if self._sizes.setdefault(which, size) != size or size > _U32_MAX:
            raise self._error(f"its {which} has {self._sizes[which]} and {size} bytes")

    def _read_pinning(self, member: t.Member) -> None:
        how = self._number(member)
        if how not in (_PIN_NONE, _PIN_BY_NAME):
            raise self._error(f"pinning {how} is not known; 1 pins by name")
        self._pinning = f"{PIN_FOLDER}/{self._name}" if how else None

    def _read_values(self, member: t.Member) -> None:
        array = self._btf.type(self._btf.skip(member.type))
        target = self._btf.skip(array.element) if isinstance(array, t.Array) else 0
        pointer = self._btf.type(target)
        if not isinstance(pointer, t.Ptr):
            raise self._error("its 'values' is no array of pointers")
        if self._is_inner:
            raise self._error("a map inside a map has initial values")
        self.values_at = member.bit_offset // 8
        self._set_size("value", 4)
        if self._btf.kind(self._btf.skip(pointer.type)) is t.Kind.STRUCT:
            inner = _Declaration(self._btf, f"{self._name}.inner", pointer.type, is_inner=True)
            self._inner = inner.read()

    def _pointed(self, member: t.Member) -> int:
        node = self._btf.type(self._btf.skip(member.type))
        if not isinstance(node, t.Ptr):
            raise self._error(f"member {member.name!r} of its declaration is no pointer")
        return node.type

    def _number(self, member: t.Member) -> int:
        """Read ``int (*name)[N]``, or an enum with the one value N."""
        node = self._btf.type(self._btf.skip(member.type))
        if isinstance(node, (t.Enum, t.Enum64)) and node.values:
            return node.values[0].value & 0xFFFFFFFFFFFFFFFF
        array = self._btf.type(self._btf.skip(self._pointed(member)))
        if not isinstance(array, t.Array):
            raise self._error(f"member {member.name!r} of its declaration is no number")
        return array.count

    def _error(self, why: str) -> FormatError:
        return FormatError(f"map {self._name!r}: {why}")

    _READERS: ClassVar[dict[str, Callable[[_Declaration, t.Member], None]]] = {
        "type": _read_kind,
        "max_entries": _read_entries,
        "map_flags": _read_flags,
        "map_extra": _read_extra,
        "numa_node": _read_node,
        "key_size": _read_size,
        "value_size": _read_size,
        "key": _read_type,
        "value": _read_type,
        "pinning": _read_pinning,
        "values": _read_values,
    }
