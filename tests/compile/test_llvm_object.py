"""Objects as files: sections, relocations, debug information, determinism, refusals. No kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyebpf.diag import Source
from pyebpf.errors import CompileError, InternalError
from pyebpf.ir import nodes
from pyebpf.ir.build import Builder
from pyebpf.ir.llvm.emit import unit_llvm
from pyebpf.ir.llvm.object import compile_unit, disassemble, dump_llvm
from pyebpf.ir.nodes import CoreValue, FieldAddr, FieldPath, KernelLoad, Param, Unit
from pyebpf.ir.types import BOOL, I32, U8, U32, U64, VOID, KernelRef, Pointer, Space
from pyebpf.runtime.elf import parse_object
from pyebpf.spec.objects import CoreKind, MapSpec, ObjectSpec
from pyebpf.spec.types import I16, I64, Array, Chars, record
from tests.compile import programs
from tests.compile.programs import CONST_OUTER, MODE, OUTER, TYPEDEF, path, span

ROOT = Path(__file__).resolve().parents[2]


def small_object(body: object, maps: tuple[MapSpec, ...] = ()) -> ObjectSpec:
    to = programs.target(programs.small_btf())
    return parse_object(programs.one(programs.entry(body), to, maps))  # type: ignore[arg-type]


def core_of(spec: ObjectSpec) -> list[tuple[str, CoreKind]]:
    (section,) = [s for s in spec.sections if s.name.startswith("tp_btf")]
    return [(r.access, r.kind) for r in section.core]


def base(b: Builder, context: Param, space: Space = Space.BTF) -> nodes.Value:
    return programs.argument(b, context, 0, Pointer(space))


def read(b: Builder, from_: nodes.Value, way: FieldPath, kind: object = U32) -> nodes.Value:
    assert isinstance(from_.type, Pointer)
    at = b.add(FieldAddr(Pointer(from_.type.space), b.span, from_, way))
    return b.add(KernelLoad(kind, b.span, at))  # type: ignore[arg-type]


@pytest.mark.parametrize("root", [OUTER, CONST_OUTER])
def test_fields_are_relocated_in_a_minimal_type(root: int) -> None:
    btf = programs.small_btf()

    def body(b: Builder, context: Param) -> None:
        outer = base(b, context)
        right = read(b, outer, path(btf, root, "right"))
        row = read(b, outer, path(btf, root, "rows", 2, "b"))
        letter = b.convert(read(b, outer, path(btf, root, "name", 3), U8), U32)
        both = b.binary(nodes.BinaryOp.ADD, right, row)
        b.ret(b.convert(b.binary(nodes.BinaryOp.ADD, both, letter), I32))

    spec = small_object(body)
    assert sorted(core_of(spec)) == [
        ("0:0", CoreKind.FIELD_BYTE_OFFSET),  # right, seen through the anonymous struct
        ("0:1:3", CoreKind.FIELD_BYTE_OFFSET),
        ("0:2:2:0", CoreKind.FIELD_BYTE_OFFSET),
    ]
    (section,) = [s for s in spec.sections if s.name.startswith("tp_btf")]
    offsets = {r.access: section.code[r.insn * 8 + 2] for r in section.core}
    assert offsets == {"0:0": 4, "0:1:3": 8 + 3, "0:2:2:0": 24 + 2 * 16 + 8}


def test_local_types_keep_sizes_and_names() -> None:
    btf = programs.small_btf()

    def body(b: Builder, context: Param) -> None:
        b.ret(b.convert(read(b, base(b, context), path(btf, OUTER, "rows", 1, "b")), I32))

    from pyebpf.btf import Btf
    from pyebpf.btf import types as t

    made = Btf.parse(small_object(body).btf)
    outer = made.type(made.find("outer", t.Kind.STRUCT))
    assert isinstance(outer, t.Struct)
    assert (outer.size, [m.name for m in outer.members]) == (120, ["rows"])
    inner = made.type(made.find("inner", t.Kind.STRUCT))
    assert isinstance(inner, t.Struct)
    assert (inner.size, [m.name for m in inner.members]) == (16, ["b"])


def core(b: Builder, kind: CoreKind, way: FieldPath, enumerator: str = "") -> nodes.Value:
    return b.convert(b.add(CoreValue(U32, b.span, kind, way, enumerator)), U64)


def test_questions_about_types_and_enums() -> None:
    btf = programs.small_btf()
    outer = FieldPath(KernelRef(OUTER, "outer"), ())
    mode = FieldPath(KernelRef(MODE, "mode"), ())
    alias = FieldPath(KernelRef(TYPEDEF, "outer_t"), ())
    asked = [
        (CoreKind.TYPE_EXISTS, outer, "", 1, "0"),
        (CoreKind.TYPE_SIZE, outer, "", 120, "0"),
        (CoreKind.TYPE_EXISTS, alias, "", 1, "0"),
        (CoreKind.FIELD_EXISTS, path(btf, OUTER, "next"), "", 1, "0:0"),
        (CoreKind.FIELD_BYTE_SIZE, path(btf, OUTER, "next"), "", 8, "0:0"),
        (CoreKind.ENUMVAL_VALUE, mode, "ON", 7, "0"),
        (CoreKind.ENUMVAL_EXISTS, mode, "ON", 1, "0"),
    ]

    def body(b: Builder, _: Param) -> None:
        total = b.const(0)
        for kind, way, enumerator, *_rest in asked:
            total = b.binary(nodes.BinaryOp.ADD, total, core(b, kind, way, enumerator))
        b.ret(b.convert(total, I32))

    spec = small_object(body)
    (section,) = [s for s in spec.sections if s.name.startswith("tp_btf")]
    found = sorted(
        (r.kind, r.access, int.from_bytes(section.code[r.insn * 8 + 4 :][:4], "little"))
        for r in section.core
    )
    assert found == sorted((kind, access, value) for kind, _, _, value, access in asked)


@pytest.mark.parametrize(
    ("name", "offset", "size", "lshift", "rshift"),
    [("low", 96, 4, 61, 61), ("high", 96, 4, 54, 57), ("wide", 104, 8, 24, 24)],
)
def test_bit_fields(name: str, offset: int, size: int, lshift: int, rshift: int) -> None:
    btf = programs.small_btf()

    def body(b: Builder, context: Param) -> None:
        way = path(btf, OUTER, name)
        b.ret(b.convert(b.add(nodes.BitfieldRead(U64, b.span, base(b, context), way)), I32))

    spec = small_object(body)
    (section,) = [s for s in spec.sections if s.name.startswith("tp_btf")]
    places = {r.kind: r.insn * 8 for r in section.core}
    assert set(places) == {
        CoreKind.FIELD_BYTE_OFFSET,
        CoreKind.FIELD_SIGNED,
        CoreKind.FIELD_LSHIFT_U64,
        CoreKind.FIELD_RSHIFT_U64,
    }
    load = section.code[places[CoreKind.FIELD_BYTE_OFFSET] :]
    assert (load[0], load[2]) == ({4: 0x61, 8: 0x79}[size], offset)
    shifts = [
        section.code[places[k] + 4] for k in (CoreKind.FIELD_LSHIFT_U64, CoreKind.FIELD_RSHIFT_U64)
    ]
    assert shifts == [lshift, rshift]


def test_bit_fields_behind_a_bare_pointer_are_probed() -> None:
    btf = programs.small_btf()

    def body(b: Builder, context: Param) -> None:
        far = base(b, context, Space.KERNEL)
        bits = b.add(nodes.BitfieldRead(U64, b.span, far, path(btf, OUTER, "high")))
        b.ret(b.convert(bits, I32))

    spec = small_object(body)
    kinds = sorted(kind for _, kind in core_of(spec))
    assert kinds == [
        CoreKind.FIELD_BYTE_OFFSET,
        CoreKind.FIELD_BYTE_SIZE,
        CoreKind.FIELD_SIGNED,
        CoreKind.FIELD_LSHIFT_U64,
        CoreKind.FIELD_RSHIFT_U64,  # of a number with a sign, and of one without
        CoreKind.FIELD_RSHIFT_U64,
    ]


MAPS = (
    MapSpec("plain", "hash", 8, 4, 100, flags=1, key=U64, value=U32),
    MapSpec(
        "pairs",
        "hash",
        16,
        16,
        7,
        key=record("t", [("_0", U32), ("_1", U64)], is_tuple=True),
        value=record("seen", [("n", I16), ("comm", Chars(10)), ("rows", Array(U8, 4))]),
    ),
    MapSpec("ring", "ringbuf", 0, 0, 4096),
    MapSpec("waiting", "queue", 0, 8, 5, value=U64),
    MapSpec("stacks", "stack_trace", 4, 1016, 64),
    MapSpec("shared", "array", 4, 8, 1, key=U32, value=I64, pinning="by_name"),
    MapSpec(
        "nested",
        "array_of_maps",
        4,
        4,
        2,
        inner=MapSpec("in", "array", 4, 8, 3, key=U32, value=U64),
    ),
)


def test_maps_come_back_as_declared() -> None:
    def body(_b: Builder, _: Param) -> None:
        pass

    found = {spec.name: spec for spec in small_object(body, MAPS).maps}
    for declared in MAPS:
        spec = found[declared.name]
        for name in ("kind", "key_size", "value_size", "max_entries", "flags"):
            assert getattr(spec, name) == getattr(declared, name), (declared.name, name)
    assert found["pairs"].key_type
    assert found["shared"].pinning
    assert found["nested"].inner is not None
    assert found["nested"].inner.value_size == 8


def test_records_of_maps_in_a_map_are_described() -> None:
    key = record("path", [("pid", U32), ("comm", Chars(16))])
    like = MapSpec("inner", "hash", key.size, 8, 4, key=key, value=U64)
    first = like.replace(name="first")
    turn = MapSpec("turn", "array_of_maps", 4, 4, 1, inner=like, slots=((0, "first"),))
    found = {spec.name: spec for spec in small_object(lambda _b, _c: None, (turn, first)).maps}
    assert found["turn"].inner is not None
    assert found["turn"].inner.key_size == key.size
    assert found["first"].key_size == key.size


def test_license_producer_and_lines() -> None:
    def body(b: Builder, _: Param) -> None:
        b.span = span(11, 8)
        now = b.call("ktime_get_ns", ())
        b.ret(b.convert(now, I32))

    spec = small_object(body)
    assert spec.license == "GPL"
    (section,) = [s for s in spec.sections if s.name.startswith("tp_btf")]
    (function,) = section.functions
    assert function.insn == 0
    lines = {(line.file, line.line, line.column, line.text.strip()) for line in section.lines}
    text = "latency.add((ktime_get_ns() - begin) // 1_000)"
    assert ("contract.py", 11, 9, text) in lines


def test_a_line_of_another_source_keeps_its_file() -> None:
    library = Source("lib.py", "\n\nnow = ktime_get_ns()\n")

    def body(b: Builder, _: Param) -> None:
        b.span = span(3, 6, library)
        now = b.call("ktime_get_ns", ())
        b.span = span(5)
        b.ret(b.convert(now, I32))

    spec = small_object(body)
    (section,) = [s for s in spec.sections if s.name.startswith("tp_btf")]
    assert {(line.file, line.line, line.text) for line in section.lines} >= {
        ("lib.py", 3, "now = ktime_get_ns()")
    }


def test_columns_and_odd_sources_do_not_break_the_lines() -> None:
    odd = Source('cell "one"\\', 'x = "é"\t\\\n')

    def body(b: Builder, _: Param) -> None:
        b.span = span(1, 5_000, odd)
        b.ret(b.convert(b.call("ktime_get_ns", ()), I32))

    spec = small_object(body)
    (section,) = [s for s in spec.sections if s.name.startswith("tp_btf")]
    lines = {(line.file, line.line, line.column, line.text) for line in section.lines}
    assert ('cell "one"\\', 1, 1023, 'x = "é"\t\\') in lines


_HASH = """
import hashlib, sys
from pathlib import Path
from pyebpf.ir.llvm.object import compile_unit
from tests.compile import programs
btf = programs.small_btf()
from tests.compile.test_llvm_object import everything
print(hashlib.sha256(everything()).hexdigest())
"""


def everything() -> bytes:
    """An object with maps, relocations and two sources, for comparing bytes."""
    btf = programs.small_btf()

    def body(b: Builder, context: Param) -> None:
        outer = base(b, context)
        total = b.const(0, U32)
        for name in ("left", "right"):
            b.span = span(3, 1, Source("lib.py", "\n\nleft + right\n"))
            total = b.binary(nodes.BinaryOp.ADD, total, read(b, outer, path(btf, OUTER, name)))
        exists = b.add(CoreValue(BOOL, b.span, CoreKind.FIELD_EXISTS, path(btf, OUTER, "next")))
        b.ret(b.convert(b.add(nodes.Select(U32, b.span, exists, total, b.const(0, U32))), I32))

    return programs.one(programs.entry(body), programs.target(btf), MAPS)


def test_same_input_same_bytes_in_every_process(tmp_path: Path) -> None:
    seen = set()
    for seed in ("0", "1", "12345"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", _HASH],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        seen.add(done.stdout)
    assert len(seen) == 1
    assert everything() == everything()


def test_too_much_stack_is_said_at_the_variable() -> None:
    def body(b: Builder, _: Param) -> None:
        b.span = span(9)
        at = b.addr(b.slot("name", Chars(40_000)))
        b.add(nodes.Fill(VOID, b.span, at, 40_000))
        b.call("get_current_comm", (at, b.const(40_000, U32)), I64)

    with pytest.raises(CompileError, match=r"E0410.*needs 40000 bytes of stack") as caught:
        programs.one(programs.entry(body))
    assert "`name` takes 40000 bytes" in str(caught.value)
    assert "contract.py:9" in str(caught.value)


def test_spilled_registers_count_too() -> None:
    def body(b: Builder, context: Param) -> None:
        words = [b.call("ktime_get_ns", ()) for _ in range(30)]
        at = b.addr(b.slot("name", Chars(400)))
        b.add(nodes.Fill(VOID, b.span, at, 400))
        b.call("get_current_comm", (at, b.const(400, U32)), I64)
        total = b.const(0)
        for i, word in enumerate(words):
            b.call("get_prandom_u32", ())
            total = b.binary(
                nodes.BinaryOp.XOR, b.binary(nodes.BinaryOp.MUL, total, word), b.const(i)
            )
        b.ret(b.convert(total, I32))

    with pytest.raises(CompileError, match="E0410"):
        programs.one(programs.entry(body))


@pytest.mark.parametrize("name", ["xdp", "license", "plain", "_license"])
def test_names_that_an_object_cannot_have(name: str) -> None:
    fn = programs.entry(lambda _b, _c: None, name, "xdp")
    with pytest.raises(CompileError, match="E0411"):
        programs.one(fn, maps=MAPS)


def test_what_llvm_refuses_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    fn = programs.entry(lambda _b, _c: None)
    unit, to = Unit((fn,), ()), programs.target()
    text = unit_llvm(unit, to, "test")
    bad = text.replace("ret i32", "ret i64")
    monkeypatch.setattr("pyebpf.ir.llvm.object.unit_llvm", lambda *_: bad)
    with pytest.raises(InternalError, match="LLVM refuses"):
        compile_unit(unit, to)


def test_unknown_helpers_maps_and_functions_are_our_fault() -> None:
    def calls(b: Builder, _: Param) -> None:
        b.call("no_such_helper", ())

    with pytest.raises(InternalError, match="no_such_helper"):
        programs.one(programs.entry(calls))
    kindless = MapSpec("m", "heap", 8, 4, 100, key=U64, value=U32)
    with pytest.raises(InternalError, match="heap"):
        programs.one(programs.entry(lambda _b, _c: None), maps=(kindless,))

    def other(b: Builder, _: Param) -> None:
        b.add(nodes.CallFunction(I64, b.span, "absent", ()))

    with pytest.raises(InternalError, match="absent"):
        programs.one(programs.entry(other))


def test_relocations_need_types() -> None:
    btf = programs.small_btf()

    def body(b: Builder, context: Param) -> None:
        b.ret(b.convert(read(b, base(b, context), path(btf, OUTER, "left")), I32))

    with pytest.raises(InternalError, match="no BTF"):
        programs.one(programs.entry(body), programs.target(None))


def test_context_loads_stay_whole_and_at_constant_offsets() -> None:
    def body(b: Builder, context: Param) -> None:
        low = b.add(nodes.CtxLoad(U32, b.span, context, 12, 4))
        part = b.convert(b.convert(low, U8), U32)
        then, other, end = (b.new_block(n) for n in ("then", "other", "end"))
        slot = b.slot("sum", U32)
        b.branch(b.compare(nodes.CompareOp.GT, part, b.const(7, U32)), then, other)
        for block, offset in ((then, 0), (other, 8)):
            b.start(block)
            b.write(slot, b.add(nodes.CtxLoad(U32, b.span, context, offset, 4)))
            b.jump(end)
        b.start(end)
        b.ret(b.convert(b.read(slot), I32))

    data = programs.one(programs.entry(body, section="xdp"))
    text = disassemble(data)
    for offset in (0, 8, 12):
        assert f"= *(u32 *)(r1 +{offset})" in text, text
    assert "u8" not in text


def test_addresses_are_not_computed_before_the_null_test() -> None:
    spec = MapSpec("m", "hash", 8, 16, 4, key=U64, value=Array(U64, 2))

    def body(b: Builder, _: Param) -> None:
        key, i = b.slot("key", U64), b.slot("i", U64)
        b.write(key, b.const(1))
        b.write(i, b.const(0))
        found = b.call("map_lookup_elem", (b.map(spec), b.addr(key)), programs.maybe(spec.value))
        rounds = b.binary(nodes.BinaryOp.AND, b.call("get_prandom_u32", ()), b.const(1023))
        names = ("loop", "inner", "hit", "next", "end")
        loop, inner, hit, following, end = (b.new_block(name) for name in names)
        b.jump(loop)
        b.start(loop)
        b.branch(b.compare(nodes.CompareOp.LT, b.read(i), rounds), inner, end)
        b.start(inner)
        source = b.call("get_prandom_u32", ())
        b.branch(b.compare(nodes.CompareOp.NE, found, b.const(0, found.type)), hit, following)
        b.start(hit)
        # The same in every round: left alone, LLVM computes it before the loop.
        second = b.add(nodes.Member(Pointer(Space.MAP, U64), b.span, found, 8))
        b.call("probe_read_kernel", (second, b.const(8, U32), source), I64)
        b.jump(following)
        b.start(following)
        b.write(i, b.binary(nodes.BinaryOp.ADD, b.read(i), b.const(1)))
        b.jump(loop)
        b.start(end)

    lines = disassemble(programs.one(programs.entry(body), maps=(spec,))).splitlines()
    (test,) = [
        i for i, line in enumerate(lines) if "== 0x0 goto" in line and "call" in lines[i - 1]
    ]
    (added,) = [i for i, line in enumerate(lines) if line.endswith(" += 8")]
    assert test < added, "\n".join(lines)


def test_dumps_show_what_was_made() -> None:
    to = programs.target()
    unit = Unit((programs.piped(programs.entry(lambda _b, _c: None), to),), ())
    assert "i32 @probe(ptr" in dump_llvm(unit, to)
    assert disassemble(compile_unit(unit, to)).splitlines()[0] == "probe:"


_GROWTH = """
import sys
from tests.compile import programs
from pyebpf.ir import nodes
from pyebpf.ir.types import U32, I32, Pointer, Space
from tests.compile.test_llvm_object import read, base, path, OUTER
btf = programs.small_btf()
names = ("left", "right", "mode")

def compile_one(i):
    def body(b, context):
        field = read(b, base(b, context), path(btf, OUTER, names[i % 3]))
        b.ret(b.convert(b.binary(nodes.BinaryOp.ADD, field, b.const(i, U32)), I32))
    programs.one(programs.entry(body, f"probe_{i}"), programs.target(btf))

def resident_kb():
    return int(open("/proc/self/statm").read().split()[1]) * 4

for i in range(100):
    compile_one(i)
before = resident_kb()
for i in range(100, 1000):
    compile_one(i)
print(resident_kb() - before)
"""


@pytest.mark.slow
def test_a_thousand_compilations_in_one_process_keep_no_memory() -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _GROWTH],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 4_000  # kilobytes; one leaked module is about 90
