"""BTF bytes to a graph and back; bytes that are wrong; names."""

from __future__ import annotations

import contextlib
import mmap
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf.btf import Btf, Kind, essential, layout
from pyebpf.btf import types as t
from pyebpf.btf.near import did_you_mean, nearest
from pyebpf.btf.write import Builder, write
from pyebpf.errors import FormatError

u16, u24, u32 = (st.integers(0, (1 << bits) - 1) for bits in (16, 24, 32))
ids = st.integers(0, 40)
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
encodings = st.integers(0, 15)
bytes_ = st.integers(0, 255)

members = st.lists(st.builds(t.Member, names, ids, u32), max_size=4).map(tuple)
bitfields = st.lists(st.builds(t.Member, names, ids, u24, bytes_), max_size=4).map(tuple)


def enums(bits: int) -> st.SearchStrategy[t.Type]:
    def values(low: int, high: int) -> st.SearchStrategy[tuple[t.Enumerator, ...]]:
        value = st.builds(t.Enumerator, names, st.integers(low, high))
        return st.lists(value, max_size=4).map(tuple)

    half, kind = 1 << (bits - 1), t.Enum if bits == 32 else t.Enum64
    return st.one_of(
        st.builds(kind, names, u32, values(0, 2 * half - 1), st.just(False)),
        st.builds(kind, names, u32, values(-half, half - 1), st.just(True)),
    )


nodes: st.SearchStrategy[t.Type] = st.one_of(
    st.builds(t.Int, names, u32, encodings, bytes_, bytes_),
    st.builds(t.Ptr, ids),
    st.builds(t.Array, ids, ids, u32),
    st.builds(t.Struct, names, u32, members | bitfields),
    st.builds(t.Union, names, u32, members | bitfields),
    enums(32),
    enums(64),
    st.builds(t.Fwd, names, st.booleans()),
    st.builds(t.Typedef, names, ids),
    st.builds(t.Volatile, ids),
    st.builds(t.Const, ids),
    st.builds(t.Restrict, ids),
    st.builds(t.Func, names, ids, st.integers(0, 2)),
    st.builds(t.FuncProto, ids, st.lists(st.builds(t.Param, names, ids), max_size=4).map(tuple)),
    st.builds(t.Var, names, ids, u32),
    st.builds(
        t.DataSec, names, u32, st.lists(st.builds(t.SecVar, ids, u32, u32), max_size=4).map(tuple)
    ),
    st.builds(t.Float, names, u32),
    st.builds(t.DeclTag, names, ids, st.integers(-1, 100)),
    st.builds(t.TypeTag, names, ids),
)
graphs = st.lists(nodes, max_size=12)


@given(graphs)
def test_what_is_written_is_parsed(graph: list[t.Type]) -> None:
    btf = Btf.parse(write(graph))
    assert list(btf.types()) == graph
    assert len(btf) == len(graph) + 1
    assert [btf.kind(i + 1) for i in range(len(graph))] == [node.kind for node in graph]
    assert btf.type(0) == t.Void()


@given(graphs, names)
def test_names_are_found(graph: list[t.Type], extra: str) -> None:
    btf = Btf.parse(write(graph))
    for name in {extra, "absent", *(getattr(node, "name", "") for node in graph)} - {""}:
        expected = [i for i, n in enumerate(graph, 1) if getattr(n, "name", "") == name]
        assert btf.find_all(name) == expected
        of_kind = [i for i in expected if graph[i - 1].kind is Kind.STRUCT]
        assert btf.find_all(name, Kind.STRUCT) == of_kind
        functions = [i for i in expected if graph[i - 1].kind is Kind.FUNC]
        assert btf.find_all(name, Kind.FUNC) == functions


def _exercise(data: bytes, base: Btf | None = None) -> str:
    """Ask everything of some bytes; say whether they were taken."""
    try:
        btf = Btf.parse(data, base)
    except FormatError:
        return "refused"
    asked = 0
    for type_id in range(len(btf) + 2):
        for ask in (
            btf.type,
            btf.name,
            btf.skip,
            lambda i: layout.size_of(btf, i),
            lambda i: layout.align_of(btf, i),
            lambda i: layout.c_name(btf, i),
            lambda i: layout.field_names(btf, i),
            lambda i: layout.find_member(btf, i, "x"),
            lambda i: layout.tags(btf, i),
        ):
            with contextlib.suppress(FormatError):  # and nothing else
                ask(type_id)
            asked += 1
    try:
        btf.find_all("x")
        btf.similar("x")
    except FormatError:
        asked += 1
    assert asked
    return "taken"


@given(st.binary(max_size=200))
def test_random_bytes_are_taken_or_refused(data: bytes) -> None:
    assert _exercise(data) == "refused"  # nobody guesses the magic number
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(data) & ~3, len(data) & ~3, 1)
    assert _exercise(header + data + b"\0") in ("taken", "refused")


@given(st.data(), graphs)
def test_damaged_bytes_are_taken_or_refused(data: st.DataObject, graph: list[t.Type]) -> None:
    raw = bytearray(write(graph))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(bytes_)
    raw = raw[: data.draw(st.integers(0, len(raw)) | st.just(len(raw)))]
    assert _exercise(bytes(raw)) in ("taken", "refused")
    assert _exercise(bytes(raw), Btf.parse(write(graph))) in ("taken", "refused")


def _header(**changes: int) -> bytes:
    fields = {"magic": 0xEB9F, "version": 1, "flags": 0, "header": 24, "type_off": 0}
    fields |= {"type_len": 0, "str_off": 0, "str_len": 1} | changes
    return struct.pack("<HBBIIIII", *fields.values()) + b"\0"


def _one_type(info: int) -> bytes:
    return _header(str_off=12, type_len=12)[:-1] + struct.pack("<III", 0, info, 0) + b"\0"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "too few"),
        (_header(magic=0x9FEB), "big-endian"),
        (_header(magic=1), "not BTF"),
        (_header(version=2), "not BTF"),
        (_header(header=20), "damaged"),
        (_header(type_len=2), "damaged"),
        (_header(type_len=4), "damaged"),
        (_header(str_len=2), "damaged"),
        (_header(str_len=0), "string section"),
        (_header()[:-1] + b"x", "string section"),
        (_one_type(99 << 24), "kind 99"),
        (_one_type(0), "kind 0"),
        (_one_type(4 << 24 | 1), "cut"),  # a member that is not there
        (_header(str_off=4, type_len=4)[:-1] + bytes(5), "cut"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        Btf.parse(data)


def test_a_longer_header_is_taken() -> None:
    raw = bytearray(write([t.Int("int", 4)]))
    raw[4:8] = struct.pack("<I", 32)
    raw[24:24] = bytes(8)
    assert Btf.parse(bytes(raw)).name(1) == "int"


def test_ids_that_do_not_exist_are_refused() -> None:
    btf = Btf.parse(write([t.Ptr(7)]))
    for ask in (btf.type, btf.kind, btf.name):
        for wrong in (2, -1):
            with pytest.raises(FormatError, match="no type"):
                ask(wrong)


def test_cycles_are_refused() -> None:
    btf = Btf.parse(write([t.Typedef("a", 2), t.Const(1), t.Array(3, 3, 2)]))
    with pytest.raises(FormatError, match="cycle"):
        btf.skip(1)
    assert btf.skip_modifiers(2) == 1
    with pytest.raises(FormatError, match="contains itself"):
        layout.size_of(btf, 3)
    with pytest.raises(FormatError, match="contains itself"):
        layout.align_of(btf, 3)


def test_a_string_outside_is_refused() -> None:
    raw = bytearray(write([t.Fwd("file")]))
    raw[24:28] = struct.pack("<I", 1000)
    btf = Btf.parse(bytes(raw))
    for ask in (lambda: btf.type(1), lambda: btf.name(1), lambda: btf.find("file")):
        with pytest.raises(FormatError, match="string at 1000"):
            ask()


def test_find_says_what_is_missing() -> None:
    btf = Btf.parse(write([t.Fwd("file")]))
    assert btf.find("file") == btf.find("file", Kind.FWD) == 1
    with pytest.raises(KeyError, match="inode"):
        btf.find("inode")
    with pytest.raises(KeyError, match="file"):
        btf.find("file", Kind.STRUCT)


def test_modules_build_upon_the_kernel() -> None:
    base = Builder()
    integer = base.add_int("int", 4, signed=True)
    base.add_struct("device", 4, [("id", integer, 0)])
    kernel = base.build()
    own = Builder(kernel)
    wrapper = own.add_struct("wrapper", 8, [("id", integer, 0), ("extra", integer, 32)])
    second = own.add_struct("device", 8)
    own.add_func("device", 0)
    module = own.build()

    assert (module.first, len(module)) == (3, 6)
    assert module.type(wrapper).name == "wrapper"
    assert module.find_all("device", Kind.STRUCT) == [2, second]
    assert module.find_all("device") == [2, second, second + 1]
    assert module.find("int") == integer
    assert module.string(module.base.strings_end) == "wrapper"
    assert [node.kind for node in module.types()] == [Kind.STRUCT, Kind.STRUCT, Kind.FUNC]
    assert layout.size_of(module, integer) == 4
    assert [name for _, name in module.names([Kind.STRUCT])] == ["device", "wrapper", "device"]
    with pytest.raises(FormatError, match="base"):
        Btf.parse(own.to_bytes())


class Shelf(dict[str, bytes]):
    """A store in memory."""

    def read(self, name: str) -> bytes | None:
        return self.get(name)

    def write(self, name: str, data: bytes) -> None:
        self[name] = data


@given(graphs)
def test_indexes_are_kept(graph: list[t.Type]) -> None:
    data, shelf = write([*graph, t.Struct("same", 4, ()), t.Func("same", 0)]), Shelf()
    cold = Btf.parse(data, store=shelf)
    found = cold.find_all("same")
    assert set(shelf) == {"starts", "types", "functions"}
    shelf.write = None  # type: ignore[assignment] - the second time nothing is made
    warm = Btf.parse(data, store=shelf)
    assert warm.find_all("same") == found
    assert list(warm.types()) == list(cold.types())


@pytest.mark.parametrize("damage", [b"", b"123", bytes(4), bytes(64), b"\xff" * 64])
def test_a_useless_index_is_made_anew(damage: bytes) -> None:
    data = write([t.Fwd("file")])
    shelf = Shelf(starts=damage, types=damage, functions=damage)
    assert Btf.parse(data, store=shelf).find("file") == 1
    assert shelf["starts"] != damage


def test_an_index_of_other_bytes_is_not_used() -> None:
    shelf = Shelf()
    Btf.parse(write([t.Fwd("file"), t.Fwd("inode")]), store=shelf)
    assert len(Btf.parse(write([t.Fwd("file")]), store=shelf)) == 2


def test_bytes_may_be_a_map() -> None:
    data = write([t.Struct("file", 4, (t.Member("x", 0, 0),))])
    with mmap.mmap(-1, len(data)) as mapped:
        mapped[:] = data
        btf = Btf.parse(mapped)
        assert btf.type(btf.find("file")) == t.Struct("file", 4, (t.Member("x", 0, 0),))
        del btf


def test_any_bytes_can_be_a_name() -> None:
    raw = write([t.Fwd("name")]).replace(b"name", b"\xff\x80ok")
    btf = Btf.parse(raw)
    assert btf.find(btf.name(1)) == 1
    assert write(btf.types()) == raw


@pytest.mark.parametrize(
    ("name", "essence"),
    [
        ("request", "request"),
        ("request___v5", "request"),
        ("a___b___c", "a___b"),
        ("a____b", "a____b"),
        ("a___b____c", "a"),
        ("___a", "___a"),
        ("a___", "a___"),
        ("____sys_recvmsg", "____sys_recvmsg"),
        ("a_____b___c", "a_____b"),
        ("", ""),
    ],
)
def test_flavours_are_cut_off(name: str, essence: str) -> None:
    assert essential(name) == essence


def test_flavours_are_found() -> None:
    graph = [t.Fwd("a___x"), t.Fwd("a"), t.Fwd("ab"), t.Fwd("a___y_z"), t.Typedef("a", 0)]
    btf = Btf.parse(write(graph))
    assert btf.flavours("a") == btf.flavours("a___other") == [1, 2, 4, 5]
    assert btf.flavours("a", Kind.FWD) == [1, 2, 4]
    assert btf.find_all("a") == [2, 5]
    assert btf.find_all("a___x") == [1]


def test_nodes_are_values() -> None:
    assert t.Const(1) != t.Volatile(1)
    assert t.Const(1) == t.Const(type=1)
    assert hash(t.Member("a", 1, 2)) == hash(t.Member(bit_offset=2, type=1, name="a"))
    assert t.Member("a", 1, 2).replace(type=5) == t.Member("a", 5, 2)
    assert repr(t.Fwd("a")) == "Fwd(name='a', is_union=False)"
    with pytest.raises(AttributeError, match="frozen"):
        t.Const(1).type = 2  # type: ignore[misc]
    for args, named in (((), {}), ((1, 2), {}), ((1,), {"type": 2})):
        with pytest.raises(TypeError, match="Const takes type"):
            t.Const(*args, **named)
    with pytest.raises(TypeError, match="Fwd takes"):
        t.Fwd("a", nothing=1)  # type: ignore[call-arg]


def edits(a: str, b: str) -> int:
    """Count changes and swaps between two words by the definition, without any short cut."""
    if not a or not b:
        return len(a) + len(b)
    ways = [edits(a[1:], b) + 1, edits(a, b[1:]) + 1, edits(a[1:], b[1:]) + (a[0] != b[0])]
    if a[:2] == b[:2][::-1] and len(a) > 1 and len(b) > 1:
        ways.append(edits(a[2:], b[2:]) + 1)
    return min(ways)


WORDS = st.text("abc", min_size=1, max_size=6)


@given(WORDS, st.lists(WORDS, max_size=6, unique=True))
def test_the_nearest_names_are_those_with_the_fewest_edits(word: str, names: list[str]) -> None:
    limit = max(1, len(word) // 3)
    begins = [n for n in names if n != word and n.startswith(word) and len(word) > 2]
    scored = [(0.5 + (len(n) - len(word)) / 100, n) for n in begins]
    others = [n for n in names if n not in (word, *begins)]
    alike = [n for n in others if len({*word} ^ {*n}) <= 2 * limit]
    scored += [(edits(word, n), n) for n in alike if edits(word, n) <= limit]
    assert nearest(word, names) == [n for _, n in sorted(scored)[:3]]


def test_misspelt_names_are_guessed() -> None:
    known = ["request", "request_queue", "task_struct", "file", "files"]
    assert nearest("reqeust", known) == ["request"]
    assert nearest("tsk_struct", known) == ["task_struct"]
    assert nearest("request", known) == ["request_queue"]
    assert nearest("fil", known) == ["file", "files"]
    assert nearest("zzzz", known) == []
    assert did_you_mean([]) == ""
    assert did_you_mean(["a"]) == "; did you mean `a`?"
    assert did_you_mean(["a", "b", "c"]) == "; did you mean `a`, `b` or `c`?"
    btf = Btf.parse(write([t.Fwd("request"), t.Func("reqest", 0)]))
    assert btf.similar("requst", [Kind.FWD]) == ["request"]
    assert btf.similar("requst") == ["reqest", "request"]
