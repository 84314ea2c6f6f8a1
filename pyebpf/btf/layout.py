"""Sizes, offsets and spellings of types.

Units:   sizes in bytes; ``bit_offset`` and ``bitfield_size`` in bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyebpf.btf import types as t
from pyebpf.btf.parse import MAX_DEPTH, Btf
from pyebpf.errors import FormatError

#: Of a pointer, in bytes. eBPF and every kernel that this package supports are 64-bit.
POINTER = 8


class FieldPath(t.Node):
    """How to come from a struct to a field inside it without following a pointer.

    Attributes:
        indices: the number of the member at each level, anonymous ones included, and array indices.
        bit_offset: from the beginning of the struct.
        bitfield_size: 0 for a field that is no bitfield.
        type: the type id of the field, typedefs and modifiers not skipped.
    """

    indices: tuple[int, ...]
    bit_offset: int
    bitfield_size: int
    type: int

    @property
    def offset(self) -> int:
        """The byte that the field starts in."""
        return self.bit_offset // 8

    @property
    def access(self) -> str:
        """The CO-RE accessor string, which begins with a 0 for the struct itself."""
        return ":".join(map(str, (0, *self.indices)))


def size_of(btf: Btf, type_id: int) -> int:
    """Return the size of a type in bytes.

    Raises:
        FormatError: the type has no size (``void``, a function, a struct that is only declared).
    """
    count = 1
    for _ in range(MAX_DEPTH):
        type_id = btf.skip(type_id)
        node = btf.type(type_id)
        if isinstance(node, t.Ptr):
            return count * POINTER
        if isinstance(node, _SIZED):
            return count * node.size
        if isinstance(node, t.Array):
            count *= node.count
            type_id = node.element
        elif isinstance(node, (t.Var, t.DeclTag)):
            type_id = node.type
        else:
            msg = f"`{c_name(btf, type_id)}` has no size (BTF type {type_id}, {node.kind.name})"
            raise FormatError(msg)
    raise _endless(type_id)


_SIZED = (t.Int, t.Struct, t.Union, t.Enum, t.Enum64, t.Float, t.DataSec)


def align_of(btf: Btf, type_id: int) -> int:
    """Return the alignment of a type in bytes: 1 for a struct that is packed.

    BTF does not hold alignments: one that ``__attribute__((aligned))`` raised is not seen.
    """
    return _align(btf, type_id, {})


def _align(btf: Btf, type_id: int, known: dict[int, int]) -> int:
    """Return an alignment; ``known`` has 0 for the types that are being looked at."""
    type_id = btf.skip(type_id)
    if type_id not in known:
        known[type_id] = 0
        known[type_id] = _align_of_node(btf, type_id, known)
    if not known[type_id]:
        raise _endless(type_id)
    return known[type_id]


def _align_of_node(btf: Btf, type_id: int, known: dict[int, int]) -> int:
    node = btf.type(type_id)
    if isinstance(node, t.Array):
        return _align(btf, node.element, known)
    if isinstance(node, t.Var):
        return _align(btf, node.type, known)
    if not isinstance(node, (t.Struct, t.Union)):
        return max(1, min(POINTER, size_of(btf, type_id)))
    align = 1
    for member in node.members:
        own = _align(btf, member.type, known)
        if not member.bitfield_size and member.bit_offset % (8 * own):
            return 1
        align = max(align, own)
    return 1 if node.size % align else align


def members(btf: Btf, struct_id: int) -> tuple[t.Member, ...]:
    """Return the members of a struct or union, reached through typedefs and modifiers."""
    node = btf.type(btf.skip(struct_id))
    if isinstance(node, (t.Struct, t.Union)):
        return node.members
    msg = f"`{c_name(btf, struct_id)}` is no struct and no union"
    raise FormatError(msg)


def find_member(btf: Btf, struct_id: int, name: str) -> FieldPath | None:
    """Return where the field ``name`` is, in the struct or in its anonymous members; else None."""
    return _find(btf, struct_id, name, set()) if name else None


def _find(btf: Btf, struct_id: int, name: str, searched: set[int]) -> FieldPath | None:
    searched.add(struct_id)
    inside = []
    for number, member in enumerate(members(btf, struct_id)):
        if member.name == name:
            return FieldPath((number,), member.bit_offset, member.bitfield_size, member.type)
        if not member.name and member.type not in searched and _is_composite(btf, member.type):
            inside.append((number, member))
    for number, member in inside:
        if found := _find(btf, member.type, name, searched):
            return _join(FieldPath((number,), member.bit_offset, 0, member.type), found)
    return None


def field_names(btf: Btf, struct_id: int) -> list[str]:
    """Return the names that :func:`find_member` finds, in the order of their declaration."""
    return list(_names(btf, struct_id, set()))


def _names(btf: Btf, struct_id: int, searched: set[int]) -> Iterator[str]:
    searched.add(struct_id)
    for member in members(btf, struct_id):
        if member.name:
            yield member.name
        elif member.type not in searched and _is_composite(btf, member.type):
            yield from _names(btf, member.type, searched)


def _is_composite(btf: Btf, type_id: int) -> bool:
    return btf.kind(btf.skip(type_id)) in t.COMPOSITES


def _join(outer: FieldPath, inner: FieldPath) -> FieldPath:
    return FieldPath(
        outer.indices + inner.indices,
        outer.bit_offset + inner.bit_offset,
        inner.bitfield_size,
        inner.type,
    )


def resolve_path(btf: Btf, struct_id: int, path: str | Sequence[str | int]) -> FieldPath:
    """Return where a field of a field is: ``"f_path.dentry"``, or ``["comm", 3]``.

    An index counts elements of an array; pointers are not followed.

    Raises:
        KeyError: the first name of the path that does not exist.
        IndexError: an index that is beyond the end of its array.
        FormatError: a name or an index that is applied to a type of another kind.
    """
    here = FieldPath((), 0, 0, struct_id)
    for step in path.split(".") if isinstance(path, str) else path:
        if isinstance(step, int):
            here = _join(here, _element(btf, here.type, step))
        else:
            found = find_member(btf, here.type, step)
            if found is None:
                raise KeyError(step)
            here = _join(here, found)
    return here


def _element(btf: Btf, array_id: int, index: int) -> FieldPath:
    node = btf.type(btf.skip(array_id))
    if not isinstance(node, t.Array):
        msg = f"`{c_name(btf, array_id)}` is no array"
        raise FormatError(msg)
    if index < 0 or (node.count and index >= node.count):  # a flexible array counts 0 elements
        msg = f"index {index} is not in `{c_name(btf, array_id)}`"
        raise IndexError(msg)
    return FieldPath((index,), 8 * index * size_of(btf, node.element), 0, node.element)


def is_pointer(btf: Btf, type_id: int) -> bool:
    """Tell whether a type is a pointer, behind typedefs and modifiers."""
    return btf.kind(btf.skip(type_id)) is t.Kind.PTR


def pointee(btf: Btf, type_id: int) -> int | None:
    """Return what a pointer points to, typedefs and modifiers of the target kept; else None."""
    node = btf.type(btf.skip(type_id))
    return node.type if isinstance(node, t.Ptr) else None


def is_signed(btf: Btf, type_id: int) -> bool:
    """Tell whether a type is an integer or an enum with negative values."""
    node = btf.type(btf.skip(type_id))
    return isinstance(node, (t.Int, t.Enum, t.Enum64)) and node.signed


def tags(btf: Btf, type_id: int) -> set[str]:
    """Return the type tags of a pointer's target: ``{"user"}`` for ``char __user *``."""
    found = set()
    node: t.Type = btf.type(btf.skip(type_id))
    for _ in range(MAX_DEPTH):
        if isinstance(node, t.TypeTag):
            found.add(node.name)
        elif not isinstance(node, (t.Ptr, t.Const, t.Volatile, t.Restrict)) or (
            found and isinstance(node, t.Ptr)
        ):
            break
        node = btf.type(node.type)
    return found


def c_name(btf: Btf, type_id: int) -> str:
    """Return a type as C spells it, for messages: ``const char *``, ``int (*)(struct file *)``."""
    return _spell(btf, type_id, "", MAX_DEPTH)


_KEYWORD = {
    t.Kind.STRUCT: "struct",
    t.Kind.UNION: "union",
    t.Kind.ENUM: "enum",
    t.Kind.ENUM64: "enum",
}
_QUALIFIER = {t.Kind.CONST: "const", t.Kind.VOLATILE: "volatile", t.Kind.RESTRICT: "restrict"}


def _spell(btf: Btf, type_id: int, inner: str, depth: int) -> str:
    """Spell a type around ``inner``, which is the declarator so far."""
    words = ""
    for _ in range(depth):
        node = btf.type(type_id)
        if isinstance(node, t.Ptr):
            group = btf.kind(btf.skip_modifiers(node.type)) in (t.Kind.ARRAY, t.Kind.FUNC_PROTO)
            inner = f"(*{inner})" if group else f"*{inner}"
        elif isinstance(node, t.Array):
            inner = f"{inner}[{node.count or ''}]"
        elif isinstance(node, t.FuncProto):
            inner = f"{inner}({_params(btf, node, depth // 4)})"
        elif isinstance(node, (t.Const, t.Volatile, t.Restrict)):
            word = _QUALIFIER[node.kind]
            if btf.kind(btf.skip_modifiers(node.type)) is t.Kind.PTR:  # it stands after the star
                inner = f" {word}{_gap(inner)}{inner}"
            else:
                words += f"{word} "
        elif not isinstance(node, (t.TypeTag, t.Func, t.Var, t.DeclTag)):
            return f"{words}{_base(node)}{_gap(inner)}{inner}"
        type_id = _next(node)
    return f"{words}...{_gap(inner)}{inner}"


def _next(node: t.Type) -> int:
    if isinstance(node, t.Array):
        return node.element
    following: int = node.result if isinstance(node, t.FuncProto) else getattr(node, "type", 0)
    return following


def _params(btf: Btf, proto: t.FuncProto, depth: int) -> str:
    return ", ".join(_param(btf, param, depth) for param in proto.params) or "void"


def _param(btf: Btf, param: t.Param, depth: int) -> str:
    return _spell(btf, param.type, "", depth) if param.type or param.name else "..."


def _gap(inner: str) -> str:
    return " " if inner and not inner.startswith((" ", "[")) else ""


def _base(node: t.Type) -> str:
    if isinstance(node, t.Void):
        return "void"
    if isinstance(node, t.Fwd):
        return f"{'union' if node.is_union else 'struct'} {node.name}"
    name: str = getattr(node, "name", "")
    keyword = _KEYWORD.get(node.kind)
    return f"{keyword} {name or '{...}'}" if keyword else name


def _endless(type_id: int) -> FormatError:
    return FormatError(f"BTF type {type_id} contains itself, or is nested too deeply")
