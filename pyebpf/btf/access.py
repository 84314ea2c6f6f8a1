"""What a CO-RE relocation refers to: in the object file that holds it, and in a kernel.

The object says ``0:3:1``, numbers of members of *its* types. They are translated to names, and the
names are looked for in the kernel's types.

Source:  the rules that libbpf documents for CO-RE relocations (``relo_core.c``).
"""

from __future__ import annotations

from pyebpf.btf import types as t
from pyebpf.btf.compat import fields_agree, types_agree, types_match
from pyebpf.btf.layout import c_name, size_of
from pyebpf.btf.parse import MAX_DEPTH, Btf
from pyebpf.btf.types import essential
from pyebpf.errors import RelocationError

# The values of ``enum bpf_core_relo_kind`` of ``include/uapi/linux/bpf.h``.
FIELD_BYTE_OFFSET, FIELD_BYTE_SIZE, FIELD_EXISTS, FIELD_SIGNED = 0, 1, 2, 3
FIELD_LSHIFT_U64, FIELD_RSHIFT_U64 = 4, 5
TYPE_ID_LOCAL, TYPE_ID_TARGET, TYPE_EXISTS, TYPE_SIZE, TYPE_MATCHES = 6, 7, 8, 9, 12
ENUMVAL_EXISTS, ENUMVAL_VALUE = 10, 11

FIELD_KINDS = range(6)
TYPE_KINDS = (TYPE_ID_LOCAL, TYPE_ID_TARGET, TYPE_EXISTS, TYPE_SIZE, TYPE_MATCHES)
ENUM_KINDS = (ENUMVAL_EXISTS, ENUMVAL_VALUE)


class Step(t.Node):
    """One level of an access: member or enumerator ``name`` of ``type``, or element ``index``.

    For an element, ``name`` is empty and ``type`` is that of the element.
    """

    type: int
    index: int
    name: str = ""


class Access(t.Node):
    """A type, or a field or an enumerator in it. The first step is into the type itself."""

    btf: Btf
    root: int
    steps: tuple[Step, ...]
    bit_offset: int = 0

    def __str__(self) -> str:
        first, *rest = self.steps
        text = c_name(self.btf, self.root)
        if first.name or first.index:
            rest = [first, *rest]
        return text + "".join(f".{s.name}" if s.name else f"[{s.index}]" for s in rest)


class Mismatch(t.Node):
    """Why a kernel's type is not the one: at ``step``, in ``type``, a field ``found`` is another.

    ``found`` is None when there is nothing of the name, or the index is beyond the array.
    """

    btf: Btf
    step: int
    type: int
    found: int | None = None


def read(btf: Btf, type_id: int, access: str, kind: int) -> Access:
    """Return what an accessor string of an object means.

    Raises:
        RelocationError: the string does not fit the type or the kind.
    """
    try:
        indices = [int(number) for number in access.split(":")]
    except ValueError:
        indices = []
    if not indices or min(indices) < 0 or len(indices) > MAX_DEPTH:
        raise _malformed(btf, type_id, access, "it is not a list of numbers with `:` between them")
    if kind in FIELD_KINDS:
        return _read_field(btf, type_id, access, indices)
    if kind in TYPE_KINDS and indices == [0]:
        return Access(btf, type_id, (Step(type_id, 0),))
    if kind in ENUM_KINDS and len(indices) == 1:
        enum_id = btf.skip(type_id)
        node = btf.type(enum_id)
        if isinstance(node, (t.Enum, t.Enum64)) and indices[0] < len(node.values):
            name = node.values[indices[0]].name
            return Access(btf, type_id, (Step(enum_id, indices[0], name),))
    raise _malformed(btf, type_id, access, f"it does not fit a relocation of kind {kind}")


def _read_field(btf: Btf, type_id: int, access: str, indices: list[int]) -> Access:
    here = btf.skip(type_id)
    bits = 8 * indices[0] * size_of(btf, here) if indices[0] else 0
    steps = [Step(here, indices[0])]
    for index in indices[1:]:
        node = btf.type(here)
        if isinstance(node, (t.Struct, t.Union)) and index < len(node.members):
            member = node.members[index]
            bits += member.bit_offset
            if member.name:
                steps.append(Step(here, index, member.name))
            here = btf.skip(member.type)
        elif isinstance(node, t.Array) and _in_array(btf, node, index, steps[-1]):
            here = btf.skip(node.element)
            bits += 8 * index * size_of(btf, here)
            steps.append(Step(here, index))
        else:
            what = f"`{c_name(btf, here)}` has no member or element {index}"
            raise _malformed(btf, type_id, access, what)
    return Access(btf, type_id, tuple(steps), bits)


def _in_array(btf: Btf, array: t.Array, index: int, outer: Step) -> bool:
    """Tell whether an array has an element; one that ends a struct may be of any length."""
    if index < array.count:
        return True
    node = btf.type(outer.type)
    ends_struct = isinstance(node, (t.Struct, t.Union)) and outer.index == len(node.members) - 1
    return not array.count and bool(outer.name) and ends_struct


def match(local: Access, kind: int, target: Btf, target_id: int) -> Access | Mismatch:
    """Return what ``local`` means in a candidate type of the target, or why it means nothing."""
    if kind in TYPE_KINDS:
        agree = types_match if kind == TYPE_MATCHES else types_agree
        if agree(local.btf, local.root, target, target_id):
            return Access(target, target_id, (Step(target_id, 0),))
        return Mismatch(target, 0, target_id, target_id)
    if kind in ENUM_KINDS:
        return _match_enumerator(local, target, target_id)
    return _match_field(local, target, target_id)


def _match_enumerator(local: Access, target: Btf, target_id: int) -> Access | Mismatch:
    wanted, enum_id = essential(local.steps[0].name), target.skip(target_id)
    node = target.type(enum_id)
    if isinstance(node, (t.Enum, t.Enum64)):
        for index, value in enumerate(node.values):
            if essential(value.name) == wanted:
                return Access(target, target_id, (Step(enum_id, index, value.name),))
    return Mismatch(target, 0, target_id)


def _match_field(local: Access, target: Btf, target_id: int) -> Access | Mismatch:
    here, bits, steps = target_id, 0, list[Step]()
    for number, wanted in enumerate(local.steps):
        here = target.skip(here)
        if wanted.name:
            found = _find_member(target, here, wanted.name, set())
            if found is None:
                return Mismatch(target, number, here)
            step, member, offset = found
            if not fields_agree(local.btf, _member_type(local.btf, wanted), target, member.type):
                return Mismatch(target, number, here, member.type)
            bits += offset
            steps.append(step)
            here = member.type
            continue
        if number:
            array = target.type(here)
            if not isinstance(array, t.Array) or not _in_array(
                target, array, wanted.index, steps[-1]
            ):
                return Mismatch(target, number, here)
            here = target.skip(array.element)
        steps.append(Step(here, wanted.index))
        bits += 8 * wanted.index * size_of(target, here) if wanted.index else 0
    return Access(target, target_id, tuple(steps), bits)


def _member_type(btf: Btf, step: Step) -> int:
    node = btf.type(step.type)
    assert isinstance(node, (t.Struct, t.Union))
    return node.members[step.index].type


def _find_member(
    btf: Btf, struct_id: int, name: str, searched: set[int]
) -> tuple[Step, t.Member, int] | None:
    """Return step, member and bit offset of a field, looking into anonymous members in order."""
    struct_id = btf.skip(struct_id)
    node = btf.type(struct_id)
    if not isinstance(node, (t.Struct, t.Union)) or struct_id in searched:
        return None
    searched.add(struct_id)
    for index, member in enumerate(node.members):
        if member.name == name:
            return Step(struct_id, index, name), member, member.bit_offset
        if not member.name:
            found = _find_member(btf, member.type, name, searched)
            if found is not None:
                return found[0], found[1], found[2] + member.bit_offset
    return None


def _malformed(btf: Btf, type_id: int, access: str, why: str) -> RelocationError:
    name = c_name(btf, type_id)
    return RelocationError(f"the object's access {access!r} to `{name}` is malformed: {why}")
