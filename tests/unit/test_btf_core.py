"""CO-RE relocations on BTF made for each case: an object's idea of a type against a kernel's."""

from __future__ import annotations

import pytest

from pyebpf.btf import Btf
from pyebpf.btf import access as a
from pyebpf.btf.core import CoreResult, explain, relocate
from pyebpf.btf.write import Builder
from pyebpf.errors import RelocationError

Row = tuple[str, str, int] | tuple[str, str, int, int]


class Maker:
    """Builds BTF from a few words: members name their types."""

    def __init__(self, base: Btf | None = None) -> None:
        self.out = Builder(base)
        self.ids = {"void": 0}
        for name, size, signed in (
            ("char", 1, True), ("u8", 1, False), ("u16", 2, False), ("u32", 4, False),
            ("int", 4, True), ("u64", 8, False), ("long", 8, True),
        ):  # fmt: skip
            self.ids[name] = self.out.add_int(name, size, signed=signed)

    def type(self, spelling: str) -> int:
        if spelling not in self.ids:
            if spelling.endswith("*"):
                made = self.out.add_ptr(self.type(spelling[:-1].strip()))
            else:
                element, _, count = spelling.removesuffix("]").rpartition("[")
                made = self.out.add_array(self.type(element), int(count), self.ids["u32"])
            self.ids[spelling] = made
        return self.ids[spelling]

    def struct(self, name: str, size: int, *rows: Row, tag: str = "") -> int:
        members = [(row[0], self.type(row[1]), *row[2:]) for row in rows]
        add = self.out.add_union if tag.startswith("union") else self.out.add_struct
        made = self.ids[tag or name] = add(name, size, members)  # type: ignore[arg-type]
        return made


LOCAL = Maker()
PAIR = LOCAL.struct("pair", 8, ("x", "u32", 0), ("y", "u32", 32))
ITEM = LOCAL.struct(
    "item", 64, ("id", "u32", 0), ("next", "void*", 64), ("pairs", "pair[4]", 128),
    ("pair", "pair", 384), ("small", "u32", 448, 3), ("delta", "int", 451, 5),
    ("tail", "u8[0]", 512),
)  # fmt: skip
STATE = LOCAL.out.add_enum("state", {"ON": 1, "OFF": 2, "OLD___v1": 3})
BIG = LOCAL.out.add_enum("big", {"HUGE": 1 << 40}, size=8)
NAMED = LOCAL.out.add_typedef("item_t", ITEM)
ANONYMOUS = LOCAL.struct("", 4, ("x", "u32", 0))
DECLARED = LOCAL.out.add(a.t.Fwd("item"))
OBJECT = LOCAL.out.build()

OLDER = Maker()
FLAVOURED = OLDER.struct("item___old", 8, ("gone", "u32", 0), ("id", "u32", 32))
OLD_OBJECT = OLDER.out.build()


def ask(kernel: Maker | Btf, kind: int, access: str = "0", root: int = ITEM) -> CoreResult:
    target = kernel if isinstance(kernel, Btf) else kernel.out.build()
    return relocate(OBJECT, root, access, kind, target)


def moved() -> Maker:
    """A kernel where everything is somewhere else, and half of it inside anonymous members."""
    kernel = Maker()
    kernel.struct("pair", 24, ("y", "u32", 0), ("w", "u64", 64), ("x", "u32", 128))
    kernel.struct("", 16, ("next", "void*", 64), tag="inner")
    kernel.struct("", 16, ("pad", "u64", 0), ("", "inner", 0), tag="union middle")
    kernel.struct(
        "item", 256, ("pair", "pair", 64), ("", "union middle", 256), ("pairs", "pair[6]", 512),
        ("id", "u32", 1664), ("delta", "int", 1700, 7), ("small", "u32", 1707, 2),
        ("tail", "u8[16]", 1728),
    )  # fmt: skip
    return kernel


@pytest.mark.parametrize(
    ("access", "here", "there"),
    [
        ("0", 0, 0),
        ("0:0", 0, 208),  # id
        ("0:1", 8, 40),  # next, in a struct in a union
        ("0:2", 16, 64),  # pairs
        ("0:2:0", 16, 64),
        ("0:2:3", 40, 64 + 3 * 24),
        ("0:2:3:0", 40, 64 + 3 * 24 + 16),  # pairs[3].x
        ("0:3:1", 52, 8),  # pair.y
        ("0:6:9", 73, 216 + 9),  # tail[9]: of any length here, of 16 there
        ("2:0", 128, 2 * 256 + 208),  # item[2].id
    ],
)
def test_offsets_go_by_name(access: str, here: int, there: int) -> None:
    result = ask(moved(), a.FIELD_BYTE_OFFSET, access)
    assert (result.original, result.value) == (here, there)
    assert (result.exists, result.poison, result.check) == (True, False, True)
    assert ask(OBJECT, a.FIELD_BYTE_OFFSET, access).value == here
    assert ask(moved(), a.FIELD_EXISTS, access).value == 1


@pytest.mark.parametrize(
    ("access", "size"), [("0:0", 4), ("0:1", 8), ("0:2", 6 * 24), ("0:2:1", 24), ("0", 256)]
)
def test_sizes_of_fields(access: str, size: int) -> None:
    assert ask(moved(), a.FIELD_BYTE_SIZE, access).value == size


def test_array_bounds_are_the_kernels() -> None:
    kernel = Maker()
    kernel.struct("pair", 8, ("x", "u32", 0))
    kernel.struct("item", 16, ("pairs", "pair[2]", 0), ("tail", "u8[3]", 128), ("id", "u32", 160))
    assert ask(kernel, a.FIELD_BYTE_OFFSET, "0:2:1").value == 8
    assert ask(kernel, a.FIELD_EXISTS, "0:2:2").value == 0
    assert ask(kernel, a.FIELD_BYTE_OFFSET, "0:2:2").poison
    assert ask(kernel, a.FIELD_EXISTS, "0:6:3").value == 0  # 3 elements, and not at the end
    assert "has no element 2" in str(why(kernel, a.FIELD_BYTE_OFFSET, "0:2:2"))


@pytest.mark.parametrize(
    ("access", "offset", "size", "left", "right"),
    [
        ("0:4", 212, 4, 64 - (1707 + 2 - 8 * 212), 64 - 2),
        ("0:5", 212, 4, 64 - (1700 + 7 - 8 * 212), 64 - 7),
        ("0:0", 208, 4, 32, 32),
        ("0:1", 40, 8, 0, 0),
    ],
)
def test_bitfields(access: str, offset: int, size: int, left: int, right: int) -> None:
    kernel = moved()
    kinds = (a.FIELD_BYTE_OFFSET, a.FIELD_BYTE_SIZE, a.FIELD_LSHIFT_U64, a.FIELD_RSHIFT_U64)
    results = [ask(kernel, kind, access) for kind in kinds]
    assert [result.value for result in results] == [offset, size, left, right]
    is_bitfield = access in ("0:4", "0:5")
    assert [result.check for result in results] == [*[not is_bitfield] * 3, True]
    # A load must be as wide as this kernel's word, whatever the object's was.
    assert [result.insn_size for result in results] == [size if is_bitfield else None, *[None] * 3]
    assert not any(result.unsafe_size for result in results)


def test_a_bitfield_is_read_back_from_memory() -> None:
    """The four numbers together give the value that was stored."""
    kernel, offset_bits, bits = Maker(), 27, 9
    kernel.struct("item", 16, ("small", "u32", offset_bits, bits))
    memory = (0b1_0110_1101 << offset_bits).to_bytes(16, "little")
    offset, size, left, right = (ask(kernel, kind, "0:4").value for kind in (0, 1, 4, 5))
    assert size == 8  # it lies across two 32-bit words
    word = int.from_bytes(memory[offset : offset + size], "little")
    assert (word << left & (1 << 64) - 1) >> right == 0b1_0110_1101


def test_a_bitfield_across_two_words_is_refused() -> None:
    kernel = Maker()
    kernel.struct("item", 16, ("small", "u64", 60, 9))
    with pytest.raises(RelocationError, match="across two 64-bit words"):
        ask(kernel, a.FIELD_BYTE_OFFSET, "0:4")


def test_signs() -> None:
    kernel = Maker()
    kernel.ids["signed"] = kernel.out.add_enum("e", {"M": -1}, signed=True)
    kernel.struct("item", 24, ("id", "int", 0), ("delta", "u32", 32, 5), ("small", "int", 37, 2))
    assert ask(kernel, a.FIELD_SIGNED, "0:0").value == 1
    assert ask(kernel, a.FIELD_SIGNED, "0:5").value == 0
    assert ask(kernel, a.FIELD_SIGNED, "0:4").value == 1
    assert ask(kernel, a.FIELD_SIGNED, "0:5").original == 1


@pytest.mark.parametrize(
    ("there", "size", "unsafe"),
    [
        ("u32", None, False),
        ("u64", 8, False),
        ("u8", 1, False),
        ("long", None, True),
        ("int", None, False),  # of the same size: nothing to adjust
    ],
)
def test_loads_are_resized(there: str, size: int | None, unsafe: bool) -> None:
    kernel = Maker()
    kernel.struct("item", 16, ("id", there, 64))
    result = ask(kernel, a.FIELD_BYTE_OFFSET, "0:0")
    assert (result.value, result.insn_size, result.unsafe_size) == (8, size, unsafe)
    assert ask(kernel, a.FIELD_EXISTS, "0:0").insn_size is None


def test_flavours_are_of_one_type() -> None:
    kernel = Maker()
    kernel.struct("item", 16, ("id", "u32", 96))
    target = kernel.out.build()
    assert relocate(OLD_OBJECT, FLAVOURED, "0:1", a.FIELD_BYTE_OFFSET, target).value == 12
    assert relocate(OLD_OBJECT, FLAVOURED, "0:0", a.FIELD_EXISTS, target).value == 0
    renamed = Maker()
    renamed.struct("item___new", 16, ("id", "u32", 64))
    assert ask(renamed, a.FIELD_BYTE_OFFSET, "0:0").value == 8


@pytest.mark.parametrize(
    ("there", "fits"),
    [("int", True), ("u8", True), ("void*", False), ("pair", False), ("u32[2]", False)],
)
def test_types_of_fields_must_fit(there: str, fits: bool) -> None:
    kernel = Maker()
    kernel.struct("pair", 8, ("x", "u32", 0))
    kernel.struct("item", 16, ("id", there, 64))
    assert ask(kernel, a.FIELD_EXISTS, "0:0").value == fits
    assert ask(kernel, a.FIELD_BYTE_OFFSET, "0:0").poison is not fits


def test_pointers_fit_each_other() -> None:
    kernel = Maker()
    kernel.struct("pair", 8, ("x", "u32", 0))
    kernel.struct("item", 16, ("next", "pair*", 64))
    assert ask(kernel, a.FIELD_BYTE_OFFSET, "0:1").value == 8


def test_enums_of_fields_fit_by_name() -> None:
    local, kernel = Maker(), Maker()
    for maker, other in ((local, "state"), (kernel, "other")):
        for member, name in (("e", "state"), ("f", other), ("g", "")):
            size = 8 if maker is kernel else 4
            maker.ids[f"enum {member}"] = maker.out.add_enum(name, {"A": 1}, size=size)
        maker.struct("s", 24, ("e", "enum e", 0), ("f", "enum f", 64), ("g", "enum g", 128))
    btf, target = local.out.build(), kernel.out.build()
    root = local.ids["s"]
    values = [relocate(btf, root, f"0:{i}", a.FIELD_EXISTS, target).value for i in range(3)]
    assert values == [1, 0, 1]


def test_a_missing_field_poisons() -> None:
    kernel = Maker()
    kernel.struct("item", 16, ("idx", "u32", 0))
    for kind in (0, 1, 3, 4, 5):
        result = ask(kernel, kind, "0:0")
        assert (result.poison, result.exists) == (True, False)
    exists = ask(kernel, a.FIELD_EXISTS, "0:0")
    assert (exists.value, exists.exists, exists.poison, exists.original) == (0, False, False, 1)


def why(kernel: Maker, kind: int, access: str = "0", root: int = ITEM) -> RelocationError:
    return explain(OBJECT, root, access, kind, kernel.out.build())


def test_what_is_missing_is_said() -> None:
    kernel = Maker()
    kernel.struct("pair", 8, ("xx", "u32", 0), ("y", "void*", 0))
    kernel.struct("item", 16, ("idx", "u32", 0), ("pair", "pair", 64))
    kernel.out.add_enum("state", {"ONN": 1})
    said = str(why(kernel, a.FIELD_BYTE_OFFSET, "0:0"))
    assert said == (
        "`struct item` of this kernel has no field `id` (read as `struct item.id`, access 0:0)"
        "; did you mean `idx`?"
    )
    assert "`struct pair` of this kernel has no field `x`" in str(why(kernel, 0, "0:3:0"))
    assert "`y` is `void *` on this kernel, which does not fit" in str(why(kernel, 0, "0:3:1"))
    assert "no value `ON`; did you mean `ONN`?" in str(why(kernel, a.ENUMVAL_VALUE, "0", STATE))
    near = Maker()
    near.struct("items", 8, ("id", "u32", 0))
    assert str(why(near, 0, "0:0")) == "this kernel has no `struct item`; did you mean `items`?"
    assert "`item_t`" in str(why(near, a.TYPE_SIZE, "0", NAMED))


def test_candidates_that_differ_are_an_error() -> None:
    kernel = Maker()
    first = kernel.struct("item", 16, ("id", "u32", 0), ("next", "void*", 64))
    second = kernel.struct("item", 24, ("id", "u32", 64), ("next", "void*", 64))
    with pytest.raises(RelocationError, match="ambiguous") as error:
        ask(kernel, a.FIELD_BYTE_OFFSET, "0:0")
    for part in (f"type {first}) gives 0", f"type {second}) gives 8", "struct item.id"):
        assert part in str(error.value)
    assert ask(kernel, a.FIELD_BYTE_OFFSET, "0:1").value == 8
    assert ask(kernel, a.FIELD_EXISTS, "0:2").value == 0
    with pytest.raises(RelocationError, match="ambiguous"):
        ask(kernel, a.TYPE_SIZE)
    # Offsets must agree even where the question is another, as in libbpf.
    with pytest.raises(RelocationError, match="ambiguous"):
        ask(kernel, a.FIELD_BYTE_SIZE, "0:0")


def test_a_candidate_without_the_field_does_not_count() -> None:
    kernel = Maker()
    kernel.struct("item", 16, ("other", "u32", 0))
    kernel.struct("item", 24, ("id", "u32", 64))
    assert ask(kernel, a.FIELD_BYTE_OFFSET, "0:0").value == 8


def test_types() -> None:
    kernel = Maker()
    root = kernel.struct("item", 48, ("id", "u32", 0))
    empty = Maker()
    assert ask(kernel, a.TYPE_EXISTS).value == 1
    assert ask(empty, a.TYPE_EXISTS).value == 0
    assert ask(kernel, a.TYPE_SIZE).value == 48
    assert ask(kernel, a.TYPE_SIZE).original == 64
    assert ask(kernel, a.TYPE_ID_TARGET).value == root
    assert ask(kernel, a.TYPE_ID_TARGET).check is False
    assert ask(empty, a.TYPE_ID_LOCAL).value == ITEM
    for kind in (a.TYPE_EXISTS, a.TYPE_SIZE, a.TYPE_ID_TARGET, a.TYPE_MATCHES):
        result = ask(empty, kind)
        assert (result.value, result.exists, result.poison) == (0, False, False)


def test_a_typedef_is_not_its_struct() -> None:
    kernel = Maker()
    kernel.struct("item_t", 8, ("id", "u32", 0))
    assert ask(kernel, a.TYPE_EXISTS, "0", NAMED).value == 0
    item = kernel.struct("item", 8, ("id", "u32", 0))
    kernel.out.add_typedef("item_t", item)
    assert ask(kernel, a.TYPE_EXISTS, "0", NAMED).value == 1
    assert ask(kernel, a.FIELD_BYTE_OFFSET, "0:0", NAMED).value == 0


@pytest.mark.parametrize(
    ("rows", "fits"),
    [
        ([("x", "u32", 0), ("y", "u32", 32)], True),
        ([("y", "u32", 0), ("more", "u64", 64), ("x", "u32", 32)], True),  # order and room are free
        ([("x", "u32", 0)], False),
        ([("x", "u32", 0), ("y", "int", 32)], False),
        ([("x", "u32", 0), ("y", "u64", 64)], False),
        ([("x", "u32", 0), ("y", "u32*", 64)], False),
        ([("x", "u32", 0), ("y___v2", "u32", 64)], True),
    ],
)
def test_types_match_by_their_members(rows: list[Row], fits: bool) -> None:
    kernel = Maker()
    kernel.struct("pair", 16, *rows)
    # The name of an integer counts as well.
    assert ask(kernel, a.TYPE_MATCHES, "0", PAIR).value == fits
    assert ask(kernel, a.TYPE_EXISTS, "0", PAIR).value == 1


def test_behind_a_pointer_names_are_enough() -> None:
    local, kernel = Maker(), Maker()
    local.struct("inner", 8, ("a", "u64", 0))
    local.struct("outer", 8, ("p", "inner*", 0))
    kernel.ids["inner"] = kernel.out.add(a.t.Fwd("inner"))
    kernel.struct("outer", 8, ("p", "inner*", 0))
    args = (local.out.build(), local.ids["outer"], "0", a.TYPE_MATCHES)
    assert relocate(*args, kernel.out.build()).value == 1
    union = Maker()
    union.ids["inner"] = union.out.add(a.t.Fwd("inner", is_union=True))
    union.struct("outer", 8, ("p", "inner*", 0))
    assert relocate(*args, union.out.build()).value == 0


def test_enums_match_by_their_names() -> None:
    kernel = Maker()
    kernel.out.add_enum("state", {"OLD": 9, "OFF": 1, "ON": 5, "NEW": 4}, size=8)
    assert ask(kernel, a.TYPE_MATCHES, "0", STATE).value == 1
    fewer = Maker()
    fewer.out.add_enum("state", {"OFF": 1, "ON": 5})
    assert ask(fewer, a.TYPE_MATCHES, "0", STATE).value == 0


def function_pointer(maker: Maker, *params: str, result: str = "int") -> int:
    proto = maker.out.add_proto(maker.type(result), [("", maker.type(p)) for p in params])
    return maker.out.add_typedef("callback", maker.out.add_ptr(proto))


@pytest.mark.parametrize(
    ("params", "result", "exists", "matches"),
    [
        (["u32", "pair*"], "int", 1, 1),
        (["u64", "pair*"], "int", 1, 0),
        (["u32"], "int", 0, 0),
        (["u32", "u32"], "int", 0, 0),
        (["u32", "pair*"], "void", 0, 0),
    ],
)
def test_functions(params: list[str], result: str, exists: int, matches: int) -> None:
    local, kernel = Maker(), Maker()
    for maker in (local, kernel):
        maker.struct("pair", 8, ("x", "u32", 0))
    root = function_pointer(local, "u32", "pair*")
    function_pointer(kernel, *params, result=result)
    btf, target = local.out.build(), kernel.out.build()
    assert relocate(btf, root, "0", a.TYPE_EXISTS, target).value == exists
    assert relocate(btf, root, "0", a.TYPE_MATCHES, target).value == matches


def test_enumerators() -> None:
    kernel = Maker()
    kernel.out.add_enum("state", {"OFF": 7, "OLD": 8, "LOW": -5}, signed=True)
    kernel.out.add_enum("big", {"HUGE": 1 << 50}, size=8)
    assert ask(kernel, a.ENUMVAL_VALUE, "1", STATE).value == 7
    assert ask(kernel, a.ENUMVAL_VALUE, "1", STATE).original == 2
    assert ask(kernel, a.ENUMVAL_VALUE, "2", STATE).value == 8  # OLD___v1 is a flavour of OLD
    assert ask(kernel, a.ENUMVAL_EXISTS, "1", STATE).value == 1
    assert ask(kernel, a.ENUMVAL_EXISTS, "0", STATE).value == 0
    assert ask(kernel, a.ENUMVAL_VALUE, "0", STATE).poison
    assert ask(kernel, a.ENUMVAL_VALUE, "0", BIG).value == 1 << 50


@pytest.mark.parametrize("signed", [True, False])
def test_negative_enumerators_of_old_kernels(signed: bool) -> None:
    # Before Linux 6.0 the sign is not in the BTF.
    kernel = Maker()
    kernel.out.add_enum("state", {"ON": -1 if signed else 0xFFFFFFFF}, signed=signed)
    assert ask(kernel, a.ENUMVAL_VALUE, "0", STATE).value == -1


def test_an_enum_may_have_become_wide() -> None:
    kernel = Maker()
    kernel.out.add_enum("state", {"ON": (1 << 63) + 1}, size=8)
    assert ask(kernel, a.ENUMVAL_VALUE, "0", STATE).value == (1 << 63) + 1


def test_modules_are_searched_last() -> None:
    kernel = Maker()
    kernel.struct("pair", 8, ("x", "u32", 0))
    base = kernel.out.build()
    module = Builder(base)
    item = module.add_struct("item", 8, [("id", base.find("u32"), 32)])
    module.add_struct("pair", 8, [("x", base.find("u32"), 32)])
    own = module.build()
    result = relocate(OBJECT, ITEM, "0:0", a.FIELD_BYTE_OFFSET, base, [own])
    assert (result.value, result.target) == (4, own)
    assert relocate(OBJECT, ITEM, "0", a.TYPE_ID_TARGET, base, [own]).value == item
    assert relocate(OBJECT, PAIR, "0:0", a.FIELD_BYTE_OFFSET, base, [own]).value == 0


@pytest.mark.parametrize(
    ("root", "access", "kind", "said"),
    [
        (ITEM, "", 0, "list of numbers"),
        (ITEM, "0:x", 0, "list of numbers"),
        (ITEM, "0:-1", 0, "list of numbers"),
        (ITEM, ":".join(["0"] * 100), 0, "list of numbers"),
        (ITEM, "0:99", 0, "no member or element 99"),
        (ITEM, "0:0:1", 0, "no member or element 1"),
        (ITEM, "0:2:4", 0, "no member or element 4"),
        (ITEM, "1", a.TYPE_SIZE, "kind 9"),
        (ITEM, "0", a.ENUMVAL_VALUE, "kind 11"),
        (STATE, "3", a.ENUMVAL_VALUE, "kind 11"),
        (ITEM, "0", 13, "kind 13"),
        (ITEM, "0:2:0", a.FIELD_SIGNED, "element of an array"),
        (ANONYMOUS, "0:0", 0, "anonymous"),
    ],
)
def test_malformed_relocations(root: int, access: str, kind: int, said: str) -> None:
    with pytest.raises(RelocationError, match=said):
        relocate(OBJECT, root, access, kind, OBJECT)


def test_a_declaration_is_not_a_definition() -> None:
    kernel = Maker()
    kernel.struct("item", 8, ("id", "u32", 0))
    assert ask(kernel, a.TYPE_EXISTS, "0", DECLARED).value == 0
    kernel.out.add(a.t.Fwd("item"))
    assert ask(kernel, a.TYPE_EXISTS, "0", DECLARED).value == 1


def test_an_old_bitfield_integer_does_not_fit() -> None:
    kernel = Maker()
    kernel.ids["old"] = kernel.out.add(a.t.Int("u32", 4, 0, 3, 5))
    kernel.struct("item", 8, ("id", "old", 0))
    assert ask(kernel, a.FIELD_EXISTS, "0:0").value == 0
