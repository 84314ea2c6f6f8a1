"""CO-RE relocations: which value an instruction must hold on this kernel.

Source:  the rules that libbpf documents for CO-RE relocations (``relo_core.c``).
"""

from __future__ import annotations

from collections.abc import Sequence

from pyebpf.btf import access as a
from pyebpf.btf import types as t
from pyebpf.btf.access import Access, Mismatch
from pyebpf.btf.layout import c_name, field_names, size_of
from pyebpf.btf.near import did_you_mean, nearest
from pyebpf.btf.parse import Btf
from pyebpf.errors import RelocationError


class CoreResult(t.Node):
    """What to do with one instruction.

    Attributes:
        value: what the instruction must hold; negative for an enumerator that is.
        exists: whether the kernel has what the relocation is about.
        poison: there is no value: the instruction must fail if it is ever reached. :func:`explain`
            says why.
        original: the value for the object's own types, which the instruction holds now.
        check: whether the instruction must hold ``original``; for some kinds compilers differ.
        insn_size: the size in bytes that a load or store must be changed to; None to keep its own.
        unsafe_size: the size of the field differs and a load or store cannot be adjusted, since it
            is neither a pointer nor an unsigned integer on both sides; for other instructions it
            does not matter.
        target: the types that have the answer: the kernel's or a module's.
    """

    value: int
    exists: bool
    poison: bool = False
    original: int = 0
    check: bool = True
    insn_size: int | None = None
    unsafe_size: bool = False
    target: Btf | None = None


class _Value(t.Node):
    """The answer for one side.

    ``size`` and ``type`` of the field, if a load may be adjusted; of a bit-field ``word``, the size
    of what is loaded.
    """

    value: int
    size: int = 0
    type: int = 0
    check: bool = True
    word: int = 0


def relocate(
    local: Btf, type_id: int, access: str, kind: int, target: Btf, modules: Sequence[Btf] = ()
) -> CoreResult:
    """Return the value of one relocation.

    Args:
        local: the types of the object that holds the relocation.
        type_id: the type in ``local`` that the access starts from.
        access: the accessor string, such as ``"0:3:1"``.
        kind: ``enum bpf_core_relo_kind``, the same numbers as ``pyebpf.spec.objects.CoreKind``.
        target: the kernel's types.
        modules: types of kernel modules, searched if the kernel has no type of the name.

    Raises:
        RelocationError: the relocation is malformed, or several types of the kernel fit it and give
            different values.
    """
    here = a.read(local, type_id, access, kind)
    if kind == a.TYPE_ID_LOCAL:
        return CoreResult(type_id, exists=True, original=type_id, target=local)
    found = [
        there
        for btf, candidate in _candidates(local, type_id, target, modules)
        if isinstance(there := a.match(here, kind, btf, candidate), Access)
    ]
    if not found:
        return _missing(here, kind)
    results = [_compare(here, there, kind) for there in found]
    for there, result in zip(found, results, strict=True):
        if there.bit_offset != found[0].bit_offset or result.value != results[0].value:
            raise _ambiguous(here, (found[0], there), (results[0], result))
    return results[0]


def _candidates(
    local: Btf, type_id: int, target: Btf, modules: Sequence[Btf]
) -> list[tuple[Btf, int]]:
    """Return the types of the same essential name and kind."""
    name, kind = local.name(type_id), local.kind(type_id)
    if not name:
        msg = f"a relocation of an anonymous type cannot be resolved: `{c_name(local, type_id)}`"
        raise RelocationError(msg)
    kinds = tuple(t.ENUMS) if kind in t.ENUMS else (kind,)
    found = [(target, i) for i in target.flavours(name, *kinds)]
    if found:
        return found
    return [(btf, i) for btf in modules for i in btf.flavours(name, *kinds) if i >= btf.first]


def _missing(here: Access, kind: int) -> CoreResult:
    original = _value(here, kind)
    poison = kind not in (a.FIELD_EXISTS, a.ENUMVAL_EXISTS, *a.TYPE_KINDS)
    return CoreResult(0, False, poison, original.value, original.check)


def _compare(here: Access, there: Access, kind: int) -> CoreResult:
    old, new = _value(here, kind), _value(there, kind)
    size, unsafe = None, False
    if kind == a.FIELD_BYTE_OFFSET and not old.type:
        # The shifts that follow such a load are those of this kernel, and so is its word.
        size = new.word or None
    elif kind == a.FIELD_BYTE_OFFSET and old.size != new.size:
        unsafe = not _adjustable(here.btf.type(old.type), there.btf.type(new.type))
        size = None if unsafe else new.size
    return CoreResult(new.value, True, False, old.value, old.check, size, unsafe, there.btf)


def _adjustable(old: t.Type, new: t.Type) -> bool:
    # A wider or narrower load zero-extends: right for pointers and unsigned integers only.
    if isinstance(old, t.Ptr) and isinstance(new, t.Ptr):
        return True
    return isinstance(old, t.Int) and isinstance(new, t.Int) and not (old.signed or new.signed)


def _value(access: Access, kind: int) -> _Value:
    if kind in a.FIELD_KINDS:
        return _field_value(access, kind)
    if kind == a.ENUMVAL_VALUE:
        return _Value(_enumerator(access))
    if kind == a.TYPE_SIZE:
        return _Value(size_of(access.btf, access.root))
    if kind == a.TYPE_ID_TARGET:
        return _Value(access.root, check=False)  # linkers renumber types
    return _Value(1)


def _enumerator(access: Access) -> int:
    step = access.steps[0]
    node = access.btf.type(step.type)
    assert isinstance(node, (t.Enum, t.Enum64))
    value = node.values[step.index].value
    if isinstance(node, t.Enum) and value >> 31 == 1:
        # Before Linux 6.0, BTF did not say whether an enum is signed; libbpf takes all for signed.
        value -= 1 << 32
    return value


def _field_value(access: Access, kind: int) -> _Value:
    if kind == a.FIELD_EXISTS:
        return _Value(1)
    last, btf = access.steps[-1], access.btf
    if not last.name:
        return _element_value(access, kind)
    node = btf.type(last.type)
    assert isinstance(node, (t.Struct, t.Union))
    member = node.members[last.index]
    type_id = btf.skip(member.type)
    if kind == a.FIELD_SIGNED:
        return _Value(int(_is_signed(btf.type(type_id))))
    size = size_of(btf, type_id)
    if not member.bitfield_size:
        return _place(kind, access.bit_offset // 8, size, 8 * size, (access.bit_offset, type_id))
    begin = _word(access, member.bitfield_size, size)
    return _place(kind, *begin, member.bitfield_size, (access.bit_offset, 0))


def _is_signed(node: t.Type) -> bool:
    return isinstance(node, (t.Int, t.Enum, t.Enum64)) and node.signed


def _element_value(access: Access, kind: int) -> _Value:
    type_id = access.steps[-1].type
    if kind == a.FIELD_BYTE_OFFSET:
        return _Value(access.bit_offset // 8, size_of(access.btf, type_id), type_id)
    if kind == a.FIELD_BYTE_SIZE:
        return _Value(size_of(access.btf, type_id))
    msg = (
        f"`{access}` is an element of an array: only its offset, its size or whether it exists can"
    )
    raise RelocationError(msg + " be asked for")


def _word(access: Access, bits: int, size: int) -> tuple[int, int]:
    """Return offset and size in bytes of the least aligned word that holds a bitfield."""
    size = size or 1
    first, last = access.bit_offset, access.bit_offset + bits
    while True:
        begin = first // 8 // size * size
        if last <= 8 * (begin + size):
            return begin, size
        if size >= 8:
            msg = f"bitfield `{access}` lies across two 64-bit words and cannot be read in one load"
            raise RelocationError(msg)
        size *= 2


def _place(kind: int, begin: int, size: int, bits: int, where: tuple[int, int]) -> _Value:
    """Answer for a field of ``bits`` bits, in the word of ``size`` bytes at byte ``begin``."""
    bit_offset, type_id = where  # a type only if the field is no bitfield
    if kind == a.FIELD_BYTE_OFFSET:
        return _Value(begin, size if type_id else 0, type_id, bool(type_id), size)
    if kind == a.FIELD_BYTE_SIZE:
        return _Value(size, check=bool(type_id))
    if kind == a.FIELD_LSHIFT_U64:
        return _Value(64 - (bit_offset + bits - 8 * begin), check=bool(type_id))
    return _Value(64 - bits)


def _ambiguous(
    here: Access, there: tuple[Access, Access], results: tuple[CoreResult, CoreResult]
) -> RelocationError:
    first, second = (
        f"`{access}` (BTF type {access.root}) gives {result.value}"
        for access, result in zip(there, results, strict=True)
    )
    msg = f"`{here}` is ambiguous on this kernel: {first}, and {second}; use a more exact type"
    return RelocationError(msg)


def explain(
    local: Btf, type_id: int, access: str, kind: int, target: Btf, modules: Sequence[Btf] = ()
) -> RelocationError:
    """Return the error for a relocation whose result is ``poison``, in the user's words.

    Cost:    some 0.2 s when the type itself is missing: all names of the kernel are compared.
    """
    here = a.read(local, type_id, access, kind)
    failed = [a.match(here, kind, *each) for each in _candidates(local, type_id, target, modules)]
    tried = [miss for miss in failed if isinstance(miss, Mismatch)]
    if not tried:
        name = t.essential(local.name(type_id))
        near = did_you_mean(target.similar(name, (local.kind(type_id),)))
        return RelocationError(f"this kernel has no `{c_name(local, type_id)}`{near}")
    return RelocationError(_reason(here, kind, access, max(tried, key=lambda miss: miss.step)))


def _reason(here: Access, kind: int, access: str, miss: Mismatch) -> str:
    owner, step = c_name(miss.btf, miss.type), here.steps[miss.step]
    if kind in a.ENUM_KINDS:
        node = miss.btf.type(miss.btf.skip(miss.type))
        values = node.values if isinstance(node, (t.Enum, t.Enum64)) else ()
        near = did_you_mean(nearest(step.name, (value.name for value in values)))
        return f"`{owner}` of this kernel has no value `{step.name}`{near}"
    where = f"(read as `{here}`, access {access})"
    if miss.found is not None:
        there = c_name(miss.btf, miss.found)
        return f"`{step.name or owner}` is `{there}` on this kernel, which does not fit {where}"
    if not step.name:
        return f"`{owner}` of this kernel has no element {step.index} {where}"
    composite = miss.btf.kind(miss.type) in t.COMPOSITES
    names = field_names(miss.btf, miss.type) if composite else ()
    return (
        f"`{owner}` of this kernel has no field `{step.name}` {where}"
        f"{did_you_mean(nearest(step.name, names))}"
    )
