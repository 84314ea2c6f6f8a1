"""Object files: what is in them, and what is wrong with them."""

from __future__ import annotations

import struct

import pytest

from pyebpf.abi import constants as c
from pyebpf.btf import Btf, Kind
from pyebpf.errors import FormatError
from pyebpf.runtime.elf import WEAK, parse_object
from pyebpf.spec.objects import (
    FunctionSpec,
    MapSpec,
    ObjectSpec,
    ProgramSpec,
    SymbolReloc,
    SymbolUse,
)
from pyebpf.spec.types import I32, U8, U32, U64, Address, Array, Bool, Chars, Field, Record
from tests import objects
from tests.objects import RETURN_ZERO, Elf, compiled, minimal

CALL = bytes.fromhex("8510000001000000")  # call the function that starts two instructions on
LOAD = bytes.fromhex("18010000000000000000000000000000")


def map_of(obj: ObjectSpec, name: str) -> MapSpec:
    return next(spec for spec in obj.maps if spec.name == name)


def test_the_smallest_object() -> None:
    elf = minimal()
    elf.section("license", b"Dual BSD/GPL\0")
    elf.section(".comment", b"\0someone's compiler 1.0\0")
    obj = parse_object(elf.to_bytes())
    assert obj.programs == (ProgramSpec("main", "socket"),)
    assert obj.functions == (FunctionSpec("main", "socket", 0, 2),)
    assert obj.section("socket").code == RETURN_ZERO
    assert (obj.license, obj.maps, obj.btf) == ("Dual BSD/GPL", (), b"")
    assert obj.producer == "someone's compiler 1.0"


def test_static_functions_and_those_in_text_are_no_programs() -> None:
    elf = Elf()
    elf.section(".text", RETURN_ZERO, flags=objects.ALLOC_EXEC)
    elf.section("socket", RETURN_ZERO * 2, flags=objects.ALLOC_EXEC)
    elf.symbol("part", 1, 0, 16)
    elf.symbol("private", 2, 0, 16, binding=objects.LOCAL)
    elf.symbol("main", 2, 16, 16)
    obj = parse_object(elf.to_bytes())
    assert [spec.name for spec in obj.programs] == ["main"]
    assert [(f.name, f.is_global) for f in obj.functions] == [
        ("part", True), ("private", False), ("main", True),
    ]  # fmt: skip


def test_a_call_inside_a_section_needs_no_relocation() -> None:
    elf = minimal(CALL + RETURN_ZERO[8:] + RETURN_ZERO)
    elf._symbols.pop()
    elf.symbol("main", 1, 0, 16)
    elf.symbol("part", 1, 16, 16, binding=objects.LOCAL)
    obj = parse_object(elf.to_bytes())
    assert obj.sections[0].symbols == (SymbolReloc(0, SymbolUse.CALL, "part", 2),)


def test_section_symbols_with_an_offset_in_the_instruction() -> None:
    load = struct.pack("<BBhiq", 0x18, 1, 0, 12, 0)
    elf = minimal(load + RETURN_ZERO)
    data = elf.section(".data", bytes(range(16)), flags=objects.ALLOC_WRITE)
    symbol = elf.symbol("", data, 0, 0, objects.SECTION, objects.LOCAL)
    elf.relocate(1, (0, 1, symbol))
    obj = parse_object(elf.to_bytes(), name="tool")
    assert obj.sections[0].symbols == (SymbolReloc(0, SymbolUse.MAP_VALUE, "tool.data", 12),)


@pytest.mark.parametrize("weak", [False, True])
def test_symbols_that_the_kernel_has(weak: bool) -> None:
    elf = minimal(LOAD + RETURN_ZERO)
    symbol = elf.symbol("jiffies", 0, 0, 0, 0, objects.WEAK if weak else objects.GLOBAL)
    elf.relocate(1, (0, 1, symbol))
    (reloc,) = parse_object(elf.to_bytes()).sections[0].symbols
    assert reloc == SymbolReloc(0, SymbolUse.EXTERN, "jiffies", WEAK if weak else 0)


@pytest.mark.parametrize(
    ("section", "prefix", "name"),
    [
        (".bss", "", ".bss"),
        (".bss", "opensnoop", "opensnoop.bss"),
        (".rodata", "a_very_long_name", "a_very_l.rodata"),
        (".data.own", "opensnoop", ".data.own"),
        (".rodata.str1.1", "opensnoop", ".rodata.str1.1"),
    ],
)
def test_data_maps_are_named_as_libbpf_names_them(section: str, prefix: str, name: str) -> None:
    elf = minimal()
    elf.section(section, b"text", flags=objects.ALLOC)
    (spec,) = parse_object(elf.to_bytes(), name=prefix).maps
    assert spec.name == name
    assert len(name) < c.BPF_OBJ_NAME_LEN


def test_read_only_data_is_frozen_and_zeroes_need_no_bytes_in_the_file() -> None:
    elf = minimal()
    elf.section(".rodata", b"\1\2\3\4", flags=objects.ALLOC)
    elf.section(".bss", b"", objects.SHT_NOBITS, objects.ALLOC_WRITE, size=24)
    constants, zeroes = parse_object(elf.to_bytes()).maps
    assert (constants.frozen, constants.initial) == (True, b"\1\2\3\4")
    assert constants.flags == c.BPF_F_RDONLY_PROG | c.BPF_F_MMAPABLE
    assert (zeroes.frozen, zeroes.initial, zeroes.flags) == (False, bytes(24), c.BPF_F_MMAPABLE)
    assert (zeroes.kind, zeroes.key_size, zeroes.value_size, zeroes.max_entries) == (
        "array", 4, 24, 1,
    )  # fmt: skip


def broken(change: str) -> bytes:
    """Return an object that is wrong in one way."""
    elf = minimal(LOAD + RETURN_ZERO)
    if change == "code":
        elf.section("xdp", b"\0" * 12, flags=objects.ALLOC_EXEC)
    elif change == "function":
        elf.symbol("long", 1, 8, 80)
    elif change == "symbol":
        elf.relocate(1, (0, 1, 99))
    elif change == "inside":
        elf.relocate(1, (4, 1, 1))
    elif change == "opcode":
        elf.relocate(1, (16, 1, 1))
    elif change == "debug":
        debug = elf.section(".debug", b"abc")
        elf.relocate(1, (0, 1, elf.symbol("thing", debug, 0, 0, objects.OBJECT)))
    elif change == "maps":
        elf.section("maps", bytes(20))
    elif change == ".maps":
        elf.section(".maps", bytes(20))
    elif change == "bss":
        elf.section(".bss", b"", objects.SHT_NOBITS, objects.ALLOC_WRITE, size=1 << 60)
    return elf.to_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("code", "section 2 'xdp': 12 bytes are no whole instructions"),
        ("function", "section 1 'socket': function 'long' reaches past its end"),
        ("symbol", "a relocation names symbol 99 of 2"),
        ("inside", "section 1 'socket': relocation at byte 4"),
        ("opcode", "instruction 2: opcode 0xb7 refers to 'main'; only calls and 64-bit loads may"),
        ("debug", "instruction 0: it refers to 'thing' in section 2 '.debug', which is no map"),
        ("maps", "declare them in section '.maps'"),
        (".maps", "its maps are not described in .BTF (compile with -g)"),
        ("bss", "section 2 '.bss': 1152921504606846976 bytes"),
    ],
)
def test_what_is_wrong_is_said(change: str, said: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_object(broken(change))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not an ELF file"),
        (b"\x7fELF\1\1" + bytes(100), "not a 64-bit little-endian ELF file"),
        (b"\x7fELF\2\1" + bytes(100), "not a relocatable BPF object: ELF type 0, machine 0"),
        (minimal().to_bytes()[:-1], "section headers: bytes"),
    ],
)
def test_what_is_no_object_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_object(data)
    assert said in str(caught.value)


# What clang makes


def test_maps_are_read_from_their_types() -> None:
    obj = parse_object(compiled("maps"), name="maps")
    records = map_of(obj, "records")
    assert (records.kind, records.max_entries, records.flags) == ("hash", 100, 1)
    assert records.key == Record(
        "key",
        (
            Field("pid", U32, 0),
            Field("comm", Chars(16), 4),
            Field("flag", U8, 20),
            Field("where", U64, 24),
        ),
        32,
        8,
    )
    assert records.value == Record(
        "value",
        (Field("count", U64, 0), Field("numbers", Array(I32, 3), 8), Field("seen", Bool(), 20),
         Field("from", Address("key"), 24)),
        32,
        8,
    )  # fmt: skip
    scratch = map_of(obj, "scratch")
    assert (scratch.kind, scratch.key_size, scratch.value_size) == ("percpu_array", 4, 24)
    assert (scratch.key, scratch.value, scratch.key_type) == (None, None, 0)
    assert map_of(obj, "slots").value is None, "a union has no counterpart"
    events = map_of(obj, "events")
    assert (events.kind, events.key_size, events.max_entries) == ("ringbuf", 0, 4096)


def test_maps_of_maps_and_of_programs_keep_their_entries() -> None:
    obj = parse_object(compiled("maps"))
    outer, targets = map_of(obj, "outer"), map_of(obj, "targets")
    assert outer.slots == ((0, "first"), (2, "second"))
    assert outer.inner is not None
    assert outer.inner.replace(name="first") == map_of(obj, "first")
    assert (targets.slots, targets.inner, targets.value_size) == (((1, "tail"),), None, 4)


def test_global_data_is_described_by_its_variables() -> None:
    obj = parse_object(compiled("maps"), name="maps")
    data = map_of(obj, "maps.data").value
    assert isinstance(data, Record)
    assert {f.name: (f.type, f.offset) for f in data.fields} == {
        "counter": (U64, 0),
        "hidden_counter": (U32, 8),
    }
    assert map_of(obj, "maps.rodata").initial == struct.pack("<I8s", 3, b"seven")
    assert map_of(obj, ".data.own").initial == struct.pack("<I", 77)


def test_data_sections_in_btf_are_laid_out() -> None:
    obj = parse_object(compiled("maps"))
    btf = Btf.parse(obj.btf)
    section = btf.type(btf.find(".data", Kind.DATASEC))
    assert section.size == 12  # type: ignore[attr-defined]
    assert [var.offset for var in section.vars] == [0, 8]  # type: ignore[attr-defined]


def test_references_of_every_kind_get_names() -> None:
    obj = parse_object(compiled("calls"), name="calls")
    found = {(r.use, r.symbol) for section in obj.sections for r in section.symbols}
    assert {
        (SymbolUse.CALL, "visible"),
        (SymbolUse.CALL, "twice"),
        (SymbolUse.CALL, "static_beside"),
        (SymbolUse.CALL, "beside"),
        (SymbolUse.CALL, "deep"),
        (SymbolUse.FUNC, "add"),
        (SymbolUse.MAP_VALUE, "calls.bss"),
    } <= found


def test_hidden_functions_become_static_in_btf() -> None:
    btf = Btf.parse(parse_object(compiled("calls")).btf)
    linkage = {name: btf.type(btf.find(name, Kind.FUNC)).linkage for name in ("hidden", "visible")}  # type: ignore[attr-defined]
    assert linkage == {"hidden": 0, "visible": 1}


def test_lines_of_the_source_belong_to_instructions() -> None:
    obj = parse_object(compiled("calls"))
    lines = obj.section("?raw_tp").lines
    (line,) = [row for row in lines if "return 17" in row.text]
    assert line.file.endswith("calls.c")
    source = (objects.SOURCES / "calls.c").read_text().splitlines()
    assert source[line.line - 1] == line.text
    assert line.column == 2
    assert [row.insn for row in lines] == sorted(row.insn for row in lines)


def test_functions_are_described_where_they_start() -> None:
    obj = parse_object(compiled("calls"))
    btf = Btf.parse(obj.btf)
    described = {
        (section.name, info.insn): btf.name(info.type_id)
        for section in obj.sections
        for info in section.functions
    }
    assert described == {(f.section, f.start): f.name for f in obj.functions}
