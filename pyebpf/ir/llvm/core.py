"""CO-RE: local copies of kernel types, and the globals that LLVM turns into relocations.

A local type has only the members that the unit uses, at the target's offsets and seen through
anonymous structs; the loader finds them in the running kernel by name. What clang's own pass makes
of its intrinsics is written here directly: that pass keeps a table of globals across modules.

Source:  ``BPFAbstractMemberAccess.cpp`` and ``BTFDebug.cpp`` of LLVM, for the names of the globals:
``llvm.<type>:<kind>:<value in the target>$<access string>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.btf import types as btf_types
from pyebpf.btf.layout import size_of
from pyebpf.errors import InternalError
from pyebpf.ir import fields
from pyebpf.ir.llvm.debuginfo import quote
from pyebpf.ir.nodes import BitfieldRead, CoreValue, FieldAddr, IndexStep, MemberStep
from pyebpf.spec.objects import CoreKind

if TYPE_CHECKING:
    from pyebpf.btf import Btf
    from pyebpf.ir.llvm.debuginfo import DebugInfo
    from pyebpf.ir.nodes import FieldPath, Unit

#: Relocations of these kinds are 64 bits wide; of the others, LLVM expects 32.
_WIDE = (
    CoreKind.FIELD_BYTE_OFFSET,
    CoreKind.ENUMVAL_EXISTS,
    CoreKind.ENUMVAL_VALUE,
    CoreKind.TYPE_ID_LOCAL,
    CoreKind.TYPE_ID_TARGET,
)
_TYPE_IDS = (CoreKind.TYPE_ID_LOCAL, CoreKind.TYPE_ID_TARGET)
_ENUM_VALUES = (CoreKind.ENUMVAL_EXISTS, CoreKind.ENUMVAL_VALUE)


class LocalTypes:
    """The kernel types of a unit, cut down to what it uses."""

    def __init__(self, btf: Btf, debug: DebugInfo, unit: Unit) -> None:
        self.btf = btf
        self.debug = debug
        self._members: dict[int, dict[str, MemberStep]] = {}
        self._enumerators: dict[int, set[str]] = {}
        for fn in unit.functions:
            for block in fn.blocks:
                for instr in block.instrs:
                    if isinstance(instr, (FieldAddr, BitfieldRead)):
                        self._use(instr.path)
                    elif isinstance(instr, CoreValue):
                        self._use(instr.path, instr.enumerator)

    def _use(self, path: FieldPath, enumerator: str = "") -> None:
        if enumerator:
            self._enumerators.setdefault(self.btf.skip(path.root.id), set()).add(enumerator)
        for step in path.steps:
            if isinstance(step, MemberStep):
                self._members.setdefault(self.btf.skip(step.struct.id), {})[step.name] = step

    def members(self, struct: int) -> list[MemberStep]:
        """Return the members of a local struct, in order."""
        used = self._members.get(struct, {}).values()
        return sorted(used, key=lambda step: (step.bit_offset, step.name))

    def enumerators(self, enum: int) -> list[btf_types.Enumerator]:
        """Return the enumerators of a local enum, in order."""
        node, used = self.btf.type(enum), self._enumerators.get(enum, set())
        assert isinstance(node, btf_types.Enum | btf_types.Enum64), node
        return [item for item in node.values if item.name in used]

    def access(self, path: FieldPath, enumerator: str = "") -> str:
        """Return the access string: ``"0:1:3"`` for member 3 of member 1."""
        if enumerator:
            names = [item.name for item in self.enumerators(self.btf.skip(path.root.id))]
            return str(names.index(enumerator))
        out = "0"
        for step in path.steps:
            if isinstance(step, IndexStep):
                out += f":{step.index}"
            else:
                names = [m.name for m in self.members(self.btf.skip(step.struct.id))]
                out += f":{names.index(step.name)}"
        return out

    def root(self, type_id: int) -> tuple[str, int]:
        """Return the name and the node of the type that a relocation starts from."""
        plain = self.btf.skip_modifiers(type_id)
        behind = self.btf.skip(plain)
        node = self.btf.type(plain)
        if isinstance(node, btf_types.Typedef) and not self.btf.name(behind):
            typedef = self.debug.add(
                f"!DIDerivedType(tag: DW_TAG_typedef, name: {quote(node.name)}, "
                f"baseType: !{self.node(behind)})"
            )
            return node.name, typedef
        return self.btf.name(behind), self.node(behind)

    def node(self, type_id: int) -> int:
        """Return the node of the local copy of a type."""
        kind_id = self.btf.skip(type_id)
        node, debug = self.btf.type(kind_id), self.debug
        if isinstance(node, btf_types.Int):
            return debug.basic(node.name, node.size, _encoding(node))
        if isinstance(node, btf_types.Float):
            return debug.basic(node.name, node.size, "float")
        if isinstance(node, btf_types.Array):
            size = size_of(self.btf, kind_id)
            return debug.array(self.node(node.element), size, node.count)
        if isinstance(node, btf_types.Enum | btf_types.Enum64):
            return self._enum(kind_id, node)
        if isinstance(node, btf_types.Struct | btf_types.Union):
            tag = "union" if isinstance(node, btf_types.Union) else "structure"
            members = debug.listing([self._member(step) for step in self.members(kind_id)])
            return debug.composite(node.name, node.size, members, tag)
        if isinstance(node, btf_types.Ptr):
            return debug.pointer(None)
        raise InternalError(f"no local copy of {node!r}")

    def _member(self, step: MemberStep) -> int:
        kind = self.node(step.type.id)
        if not step.bits:
            bits = size_of(self.btf, step.type.id) * 8
            return self.debug.member(step.name, kind, step.bit_offset, bits)
        word = size_of(self.btf, step.type.id) * 8
        start = step.bit_offset // word * word
        extra = f", flags: DIFlagBitField, extraData: i64 {start}"
        return self.debug.member(step.name, kind, step.bit_offset, step.bits, extra)

    def _enum(self, kind_id: int, node: btf_types.Enum | btf_types.Enum64) -> int:
        debug, unsigned = self.debug, "" if node.signed else ", isUnsigned: true"
        items = [
            debug.add(f"!DIEnumerator(name: {quote(item.name)}, value: {item.value}{unsigned})")
            for item in self.enumerators(kind_id)
        ]
        base = debug.basic(
            f"{'i' if node.signed else 'u'}{node.size * 8}",
            node.size,
            "signed" if node.signed else "unsigned",
        )
        title = f"name: {quote(node.name)}, " if node.name else ""
        return debug.add(
            f"!DICompositeType(tag: DW_TAG_enumeration_type, {title}baseType: !{base}, "
            f"size: {node.size * 8}, elements: !{debug.listing(items)})"
        )


class Relocations:
    """The globals that stand for numbers the loader fills in, one for each different question."""

    def __init__(self, types: LocalTypes) -> None:
        self._types = types
        self._made: dict[tuple[CoreKind, int, str], str] = {}
        self._taken: set[str] = set()
        self.lines: list[str] = []

    def use(self, kind: CoreKind, path: FieldPath, enumerator: str = "") -> tuple[str, int]:
        """Return the global for a question, and its width in bits."""
        width = 64 if kind in _WIDE else 32
        type_name, node = self._types.root(path.root.id)
        access = self._types.access(path, enumerator if kind in _ENUM_VALUES else "")
        key = (kind, node, access)
        if key not in self._made:
            name = self._name(kind, type_name, path, enumerator, access)
            self._made[key] = f"@{quote(name)}"
            attribute = "btf_type_id" if kind in _TYPE_IDS else "btf_ama"
            self.lines.append(
                f"@{quote(name)} = external global i{width}, "
                f'!llvm.preserve.access.index !{node} "{attribute}"'
            )
        return self._made[key], width

    def _name(
        self, kind: CoreKind, root: str, path: FieldPath, enumerator: str, access: str
    ) -> str:
        if kind in _TYPE_IDS:
            return f"llvm.btf_type_id.{len(self._made)}${kind.value}"
        number = fields.core_number(self._types.btf, kind, path, enumerator)
        name = f"llvm.{root}:{kind.value}:{number}${access}"
        # Two types of one name are two questions; LLVM reads nothing before the first colon.
        while name in self._taken:
            root += "'"
            name = f"llvm.{root}:{kind.value}:{number}${access}"
        self._taken.add(name)
        return name


def _encoding(node: btf_types.Int) -> str:
    if node.encoding & btf_types.BOOL:
        return "boolean"
    return "signed" if node.signed else "unsigned"
