"""What an object file holds, as frozen data: the contract between the two halves.

The compile half makes an ELF object; ``pyebpf.runtime.elf`` turns the bytes of that object (or of
one that clang built) into an :class:`ObjectSpec`. Nothing here touches a kernel.
"""

from __future__ import annotations

from enum import IntEnum

from pyebpf.plain import Frozen
from pyebpf.spec.types import DataType


class CoreKind(IntEnum):
    """``enum bpf_core_relo_kind`` of ``include/uapi/linux/bpf.h``."""

    FIELD_BYTE_OFFSET = 0
    FIELD_BYTE_SIZE = 1
    FIELD_EXISTS = 2
    FIELD_SIGNED = 3
    FIELD_LSHIFT_U64 = 4
    FIELD_RSHIFT_U64 = 5
    TYPE_ID_LOCAL = 6
    TYPE_ID_TARGET = 7
    TYPE_EXISTS = 8
    TYPE_SIZE = 9
    ENUMVAL_EXISTS = 10
    ENUMVAL_VALUE = 11
    TYPE_MATCHES = 12


class CoreReloc(Frozen):
    """One CO-RE relocation record, as in ``.BTF.ext``.

    ``insn`` counts 8-byte instructions from the start of the section; ``type_id`` is in the
    object's own BTF; ``access`` is the accessor string, such as ``"0:3:1"``.
    """

    insn: int
    type_id: int
    access: str
    kind: CoreKind


class LineInfo(Frozen):
    """Which source line an instruction comes from (``struct bpf_line_info``)."""

    insn: int
    file: str
    text: str
    line: int
    column: int


class FuncInfo(Frozen):
    """The BTF type of the function that starts at an instruction (``struct bpf_func_info``)."""

    insn: int
    type_id: int


class SymbolUse(IntEnum):
    """What an ELF relocation on an instruction refers to."""

    MAP = 0  #: ``ld_imm64`` of a map's file descriptor
    MAP_VALUE = 1  #: ``ld_imm64`` of an address inside the only value of a global-data map
    CALL = 2  #: ``call`` of another function of the object
    FUNC = 3  #: ``ld_imm64`` of the address of a function (callbacks)
    EXTERN = 4  #: a symbol that the kernel or the loader must supply (kfunc, ksym, kconfig)


class SymbolReloc(Frozen):
    """An ELF relocation, resolved to names.

    ``insn`` counts instructions from the start of the section. ``addend`` is the offset inside the
    value (``MAP_VALUE``) or the instruction inside ``symbol``'s section (``CALL``, ``FUNC``).
    """

    insn: int
    use: SymbolUse
    symbol: str
    addend: int = 0


class MapSpec(Frozen):
    """A map to create.

    ``kind`` is the row's name in ``pyebpf.abi.maps`` (``"hash"``). ``key`` and ``value`` describe
    the data for views; ``key_type`` and ``value_type`` are BTF ids in the object (0: none).
    ``initial`` is the first value of a global-data map; ``frozen`` makes it read-only for both
    sides. ``slots`` are the initial entries of a map of maps or of programs: index, and the name
    of the map or program. ``numa_node`` counts when ``BPF_F_NUMA_NODE`` is in ``flags``; ``extra``
    is ``map_extra``.
    """

    name: str
    kind: str
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    key: DataType | None = None
    value: DataType | None = None
    key_type: int = 0
    value_type: int = 0
    pinning: str | None = None
    initial: bytes | None = None
    frozen: bool = False
    inner: MapSpec | None = None
    slots: tuple[tuple[int, str], ...] = ()
    numa_node: int = 0
    extra: int = 0


class SectionSpec(Frozen):
    """One executable section of an object: instructions and everything that refers to them."""

    name: str
    code: bytes
    symbols: tuple[SymbolReloc, ...] = ()
    core: tuple[CoreReloc, ...] = ()
    functions: tuple[FuncInfo, ...] = ()
    lines: tuple[LineInfo, ...] = ()


class FunctionSpec(Frozen):
    """A function symbol: ``count`` instructions from instruction ``start`` of ``section``.

    ``is_global`` is false for a static function, which is always a subprogram.
    """

    name: str
    section: str
    start: int
    count: int
    is_global: bool = True


class ProgramSpec(Frozen):
    """An entry function. ``section`` is the ELF section, which names the kind and the hook."""

    name: str
    section: str


class ObjectSpec(Frozen):
    """Everything in one object file."""

    programs: tuple[ProgramSpec, ...]
    functions: tuple[FunctionSpec, ...]
    sections: tuple[SectionSpec, ...]
    maps: tuple[MapSpec, ...]
    license: str = "GPL"
    btf: bytes = b""
    #: The first line of a comment in the object that says who made it; for messages only.
    producer: str = ""
    kconfig: tuple[str, ...] = ()

    def program(self, name: str) -> ProgramSpec:
        """Return the program called ``name``; ``KeyError`` if there is none."""
        for spec in self.programs:
            if spec.name == name:
                return spec
        raise KeyError(name)

    def section(self, name: str) -> SectionSpec:
        """Return the section called ``name``; ``KeyError`` if there is none."""
        for spec in self.sections:
            if spec.name == name:
                return spec
        raise KeyError(name)
