"""What the kernel makes of compiled code: results, loading, and what it shows of the source."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyebpf.btf import Kind
from pyebpf.btf.layout import find_member
from pyebpf.ir import nodes
from pyebpf.ir.build import Builder
from pyebpf.ir.llvm.object import compile_unit
from pyebpf.ir.nodes import BinaryOp, CompareOp, Param, Value
from pyebpf.ir.passes.const_fold import binary, wrap
from pyebpf.ir.types import BOOL, I32, U8, U32, U64, VOID, Pointer, Space
from pyebpf.spec.types import I8, I16, I64, U16, Array, Chars, Int
from tests.compile import programs

pytestmark = pytest.mark.kernel


def _has_disks() -> bool:
    btf = programs.kernel_btf()
    return find_member(btf, btf.find("request_queue", Kind.STRUCT), "disk") is not None


@pytest.fixture(autouse=True)
def runs_here(requires: Callable[[str], None], request: pytest.FixtureRequest) -> None:
    """Skip what this kernel cannot run: user space's programs, and those of newer types."""
    if "tmp_path" not in request.fixturenames:
        requires("syscall_prog")
    elif not _has_disks():
        pytest.skip("the disk is not in request_queue (Linux 5.17)")


INTS = [U8, U16, U32, U64, I8, I16, I32, I64]
INTERESTING = [0, 1, 2, 3, 7, 8, 10, 63, 64, 127, 128, 255, 1_000, (1 << 31) - 1, 1 << 31]
EDGES = sorted({*INTERESTING, *(-n for n in INTERESTING), (1 << 63) - 1, -(1 << 63), 1 << 40})


def checker(computed: list[tuple[Value, int]], b: Builder, context: Param) -> None:
    """Return the number (from 1) of the first value that is not the context's word, or 0."""
    for number, (value, word) in enumerate(computed, 1):
        wrong, right = b.new_block("wrong"), b.new_block("right")
        wanted = programs.argument(b, context, word)
        got = b.convert(value, U64)
        b.branch(b.compare(CompareOp.EQ, got, wanted), right, wrong)
        b.start(wrong)
        b.ret(b.const(number, I32))
        b.start(right)
    b.ret(b.const(0, I32))


def compiled(cases: list[tuple[str, object]], kind: Int) -> bytes:
    """Code that computes every case from words 0 and 1 and compares with words 2, 3, …."""

    def body(b: Builder, context: Param) -> None:
        left = programs.argument(b, context, 0, kind)
        right = programs.argument(b, context, 1, kind)
        made = [(make(b, left, right), i) for i, (_, make) in enumerate(cases, 2)]  # type: ignore[operator]
        checker(made, b, context)

    fn = programs.entry(body, section="syscall")
    return programs.code_of(programs.one(fn))


@pytest.fixture(scope="module", params=INTS, ids=str)
def arithmetic(request: pytest.FixtureRequest) -> tuple[Int, bytes, bytes]:
    kind: Int = request.param
    plain = [op for op in BinaryOp if op not in (BinaryOp.FLOORDIV, BinaryOp.MOD)]
    both = [(op.value, lambda b, x, y, op=op: b.binary(op, x, y)) for op in plain]
    orders = [(op.value, lambda b, x, y, op=op: b.compare(op, x, y)) for op in CompareOp]
    division = [
        (op.value, lambda b, x, y, op=op: b.binary(op, x, y))
        for op in (BinaryOp.FLOORDIV, BinaryOp.MOD)
    ]
    return kind, compiled([*both, *orders], kind), compiled(division, kind)


ORDER = {
    CompareOp.EQ: "__eq__",
    CompareOp.NE: "__ne__",
    CompareOp.LT: "__lt__",
    CompareOp.LE: "__le__",
    CompareOp.GT: "__gt__",
    CompareOp.GE: "__ge__",
}


@pytest.mark.thorough
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_arithmetic_is_pythons(arithmetic: tuple[Int, bytes, bytes], data: st.DataObject) -> None:
    kind, plain_code, division_code = arithmetic
    number = st.sampled_from(EDGES) | st.integers(kind.low, kind.high)
    left, right = (kind.wrap(data.draw(number)) for _ in range(2))
    plain = [op for op in BinaryOp if op not in (BinaryOp.FLOORDIV, BinaryOp.MOD)]
    words = [left, right]
    words += [wrap(kind, binary(op, kind, left, right) or 0) for op in plain]
    words += [int(getattr(left, ORDER[op])(right)) for op in CompareOp]
    assert programs.run(plain_code, words) == 0
    if right:
        quotients = [left // right, left % right]
        words = [left, right, *(kind.wrap(q) for q in quotients)]
        assert programs.run(division_code, words) == 0


@pytest.mark.thorough
@pytest.mark.parametrize("kind", INTS, ids=str)
def test_division_and_shifts_by_constants(kind: Int) -> None:
    right = [c for c in (1, 2, 3, 7, 8, 10, 100, 127, kind.high, -1, -2, -7, -8, kind.low) if c]
    divisors = [c for c in right if kind.low <= c <= kind.high]
    counts = [0, 1, kind.bits - 1, kind.bits, 100]
    ways = [(op, c) for c in divisors for op in (BinaryOp.FLOORDIV, BinaryOp.MOD)]
    ways += [(op, c) for c in counts for op in (BinaryOp.SHL, BinaryOp.SHR)]
    cases = [
        (f"{op} {c}", lambda b, x, _, op=op, c=c: b.binary(op, x, b.const(c, kind)))
        for op, c in ways
    ]
    code = compiled(cases, kind)
    for left in {kind.wrap(n) for n in (*EDGES, kind.high, kind.low, kind.low + 1)}:
        wanted = [wrap(kind, binary(op, kind, left, c) or 0) for op, c in ways]
        assert programs.run(code, [left, 0, *wanted]) == 0, left


@pytest.mark.thorough
@pytest.mark.parametrize("kind", INTS, ids=str)
def test_conversions_extend_by_the_sources_sign(kind: Int) -> None:
    cases = [(str(to), lambda b, x, _, to=to: b.convert(x, to)) for to in (*INTS, BOOL)]
    code = compiled(cases, kind)
    for left in {kind.wrap(n) for n in EDGES}:
        wanted = [wrap(to, left) for to in (*INTS, BOOL)]
        assert programs.run(code, [left, 0, *wanted]) == 0, left


@pytest.mark.parametrize("length", [1, 2, 5, 8, 12])
def test_elements_of_arrays(length: int) -> None:
    def body(b: Builder, context: Param) -> None:
        kind = Array(U16, length)
        base = b.addr(b.slot("row", kind))
        b.add(nodes.Fill(VOID, b.span, base, kind.size))
        at = Pointer(Space.STACK, U16)
        index = b.convert(programs.argument(b, context, 0), U32)
        cell = b.add(nodes.Element(at, b.span, base, index, 2, length))
        b.store(cell, b.const(7, U16))
        last = b.add(nodes.Element(at, b.span, base, b.const(length - 1, U32), 2, length))
        b.ret(b.convert(b.load(last, U16), I32))

    code = programs.code_of(programs.one(programs.entry(body, section="syscall")))
    assert [programs.run(code, [i]) for i in range(length)] == [0] * (length - 1) + [7]


def test_fill_and_copy() -> None:
    def body(b: Builder, context: Param) -> None:
        kind = Chars(21)
        one, two = (b.addr(b.slot(name, kind)) for name in ("one", "two"))
        for target in (one, two):
            b.add(nodes.Fill(VOID, b.span, target, 21))
        for offset in (0, 20):
            at = b.add(nodes.Member(Pointer(Space.STACK, U8), b.span, one, offset))
            b.store(at, b.convert(programs.argument(b, context, 0), U8))
        b.add(nodes.Copy(VOID, b.span, two, one, 21))
        at = b.add(nodes.Member(Pointer(Space.STACK, U8), b.span, two, 20))
        b.ret(b.convert(b.load(at, U8), I32))

    code = programs.code_of(programs.one(programs.entry(body, section="syscall")))
    assert programs.run(code, [0x1FE]) == 0xFE


#: A call of a function of the program: the number of its register says that it is no helper.
CALL_LOCAL = b"\x85\x10"


def test_functions_that_are_called() -> None:
    arg = Param(I64, programs.span(20), "number")
    twice = nodes.Function("twice", "", (arg,), I64, [], [], programs.span(20, 0))
    b = Builder(twice)
    b.ret(b.binary(BinaryOp.ADD, arg, arg))

    def body(b: Builder, context: Param) -> None:
        number = programs.argument(b, context, 0, I64)
        called = b.add(nodes.CallFunction(I64, b.span, "twice", (number,)))
        b.ret(b.convert(called, I32))

    to = programs.target()
    main = programs.piped(programs.entry(body, section="syscall"), to)
    data = compile_unit(nodes.Unit((main, programs.piped(twice, to)), ()), to)
    code, called = bytearray(programs.code_of(data)), programs.code_of(data, "twice")
    (place,) = (at for at in range(0, len(code), 8) if code[at : at + 2] == CALL_LOCAL)
    struct.pack_into("<i", code, place + 4, (len(code) - place) // 8 - 1)  # as a loader links it
    assert programs.run(bytes(code) + called, [21]) == 42


# With bpftool: libbpf reads our objects, the kernel takes them.

BPFTOOL = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin:/sbin")
needs_bpftool = pytest.mark.skipif(BPFTOOL is None, reason="no bpftool on this machine")


def bpftool(*words: object) -> str:
    done = subprocess.run(
        [str(BPFTOOL), *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def loaded(data: bytes, folder: Path, dump: str) -> str:
    """Load all programs in a mount namespace that ends with the command, and dump one."""
    file, mount = folder / "object.o", folder / "fs"
    file.write_bytes(data)
    mount.mkdir()
    script = (
        'mount -t bpf bpf "$3" && { "$1" -d prog loadall "$2" "$3/it" 2>"$3.log" || '
        '{ cat "$3.log"; exit 1; }; } && "$1" prog dump xlated pinned "$3/it/$4" linum'
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(BPFTOOL), str(file), str(mount), dump],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    return done.stdout


@needs_bpftool
def test_the_contract_program_loads_with_libbpf(tmp_path: Path) -> None:
    btf = programs.kernel_btf()
    data = compile_unit(programs.contract(btf), programs.target(btf))
    text = loaded(data, tmp_path, "complete")
    assert "complete(u64 * ctx)" in text
    assert "; begin = started.pop((rq, rq.q.disk.first_minor)) [file:contract.py line_num:9" in text
    assert "; if begin is not None: [file:contract.py line_num:10 line_col:5]" in text
    assert "htab_map_delete_elem" in text


@needs_bpftool
def test_bpftool_shows_our_records(tmp_path: Path) -> None:
    btf = programs.kernel_btf()
    file = tmp_path / "object.o"
    file.write_bytes(compile_unit(programs.contract(btf), programs.target(btf)))
    text = bpftool("btf", "dump", "file", file)
    assert "STRUCT 'request_key' size=16 vlen=2" in text
    assert "FUNC 'issue'" in text
    assert "VAR 'latency'" in text
