"""Kernel objects and memory of processes, made from Python values by the target's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyebpf.btf import layout
from pyebpf.btf import types as t
from pyebpf.errors import PyebpfError

if TYPE_CHECKING:
    from pyebpf.btf import Btf
    from pyebpf.ir.interp import Memory, Region

_WORD = (1 << 64) - 1


class UserMemory:
    """Some bytes of a process. Where an address is wanted, it is its own."""

    def __init__(self, region: Region) -> None:
        self._region = region

    @property
    def address(self) -> int:
        """Where it is."""
        return self._region.base

    @property
    def data(self) -> bytearray | memoryview:
        """The bytes themselves; changes are seen by probes."""
        return self._region.data

    def __index__(self) -> int:
        return self.address


class KernelObject:
    """A struct of the kernel. Where a pointer is wanted, it is its own address.

    ``obj["pid"] = 5`` changes a field, ``obj["pid"]`` reads a number.
    """

    def __init__(self, makers: Objects, type_id: int, region: Region) -> None:
        self._makers = makers
        self._type = type_id
        self._region = region

    @property
    def address(self) -> int:
        """Where it is."""
        return self._region.base

    def __index__(self) -> int:
        return self.address

    def __setitem__(self, name: str, value: Any) -> None:
        self._makers.set(self._region, 0, self._type, {name: value})

    def __getitem__(self, name: str) -> int:
        return self._makers.number(self._region, self._type, name)

    def __repr__(self) -> str:
        name = layout.c_name(self._makers.btf, self._type)
        return f"<KernelObject {name} at {self.address:#x}>"


class Objects:
    """Makes kernel objects in the memory of one machine."""

    def __init__(self, btf: Btf | None, memory: Memory, *, strict: bool) -> None:
        self._btf = btf
        self._memory = memory
        self._strict = strict

    @property
    def btf(self) -> Btf:
        """The target's types."""
        if self._btf is None:
            raise PyebpfError("the target has no BTF, so it has no kernel objects")
        return self._btf

    def find(self, kind: Any) -> int:
        """Return the id of a type given by name, or as imported from ``pyebpf.kernel``."""
        name = str(getattr(kind, "kernel_name", kind))
        kinds = (t.Kind.STRUCT, t.Kind.UNION, t.Kind.TYPEDEF)
        try:
            return self.btf.find(name.partition("___")[0], *kinds)
        except KeyError:
            raise PyebpfError(f"the target has no struct {name}") from None

    def make(self, type_id: int, fields: Mapping[str, Any]) -> KernelObject:
        """Make an object; fields that are not given are 0, or unknown if that was asked for."""
        struct = self.btf.skip(type_id)
        name = layout.c_name(self.btf, struct)
        region = self._memory.add(bytearray(layout.size_of(self.btf, struct)), f"`{name}`")
        if self._strict:
            region.defined = bytearray(region.size)
        self.set(region, 0, struct, fields)
        return KernelObject(self, struct, region)

    def text(self, data: bytes, *, kernel: bool) -> Region:
        """Place bytes in memory."""
        where = "kernel" if kernel else "user"
        return self._memory.add(bytearray(data), f"{where} memory", kernel=kernel)

    def number(self, region: Region, struct: int, name: str) -> int:
        """Read a field that is a number or a pointer."""
        found = layout.find_member(self.btf, struct, name)
        if found is None:
            raise KeyError(name)
        bits = found.bitfield_size or layout.size_of(self.btf, found.type) * 8
        word = int.from_bytes(region.data, "little") >> found.bit_offset & (1 << bits) - 1
        if layout.is_signed(self.btf, found.type) and word >> bits - 1:
            word -= 1 << bits
        return word

    def set(self, region: Region, bit: int, type_id: int, value: Any, bits: int = 0) -> None:
        """Write a Python value at a place; ``bit`` counts from the start of the region."""
        kind = self.btf.skip(type_id)
        node = self.btf.type(kind)
        if isinstance(node, t.Struct | t.Union):
            self._set_members(region, bit, kind, value)
        elif isinstance(node, t.Array):
            self._set_elements(region, bit, node, value)
        else:
            number = self._pointer(kind, value) if isinstance(node, t.Ptr) else int(value)
            self._set_bits(region, bit, bits or layout.size_of(self.btf, kind) * 8, number)

    def _set_members(self, region: Region, bit: int, struct: int, value: Any) -> None:
        if not isinstance(value, Mapping):
            name = layout.c_name(self.btf, struct)
            raise TypeError(f"{name} takes a dict of its fields, not {value!r:.60}")
        for name, item in value.items():
            found = layout.find_member(self.btf, struct, name)
            if found is None:
                raise KeyError(f"{layout.c_name(self.btf, struct)} has no field {name}")
            self.set(region, bit + found.bit_offset, found.type, item, found.bitfield_size)

    def _set_elements(self, region: Region, bit: int, node: t.Array, value: Any) -> None:
        size = layout.size_of(self.btf, node.element)
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, bytes) and len(value) < node.count:
            value += b"\0"
        if not isinstance(value, Sequence) or len(value) > node.count:
            raise TypeError(f"an array of {node.count} elements cannot be {value!r:.60}")
        for index, item in enumerate(value):
            self.set(region, bit + index * size * 8, node.element, item)

    def _set_bits(self, region: Region, bit: int, bits: int, number: int) -> None:
        if not -(1 << bits - 1) <= number < 1 << bits:
            raise ValueError(f"{number} does not fit {bits} bits")
        first, last = bit // 8, (bit + bits + 7) // 8
        word = int.from_bytes(region.data[first:last], "little")
        mask = (1 << bits) - 1 << bit % 8
        word = word & ~mask | number << bit % 8 & mask
        region.data[first:last] = word.to_bytes(last - first, "little")
        if region.defined is not None:
            region.defined[first:last] = b"\1" * (last - first)

    def _pointer(self, pointer: int, value: Any) -> int:
        if value is None:
            return 0
        if isinstance(value, str | bytes):
            data = value.encode() if isinstance(value, str) else value
            return self.text(data + b"\0", kernel=True).base
        if isinstance(value, Mapping):
            to = layout.pointee(self.btf, pointer)
            if to is None:
                raise TypeError("a pointer to nothing in particular takes an object or an address")
            return self.make(to, value).address
        return address_of(value)


def address_of(value: Any) -> int:
    """Return an object's address, or a number as 64 bits."""
    return int(value.__index__()) & _WORD
