"""Functions made by hand with the IR builder, and what runs instructions in the kernel."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyebpf.btf import Btf, layout
from pyebpf.btf import types as btf_types
from pyebpf.btf.write import write
from pyebpf.diag import Source, Span
from pyebpf.ir import nodes
from pyebpf.ir.build import Builder
from pyebpf.ir.context import Context
from pyebpf.ir.llvm.object import compile_unit
from pyebpf.ir.llvm.stack import functions
from pyebpf.ir.nodes import CtxLoad, FieldPath, Function, IndexStep, MemberStep, Param, Unit, Value
from pyebpf.ir.passes import run_pipeline
from pyebpf.ir.types import I32, I64, U32, U64, VOID, KernelRef, Pointer, Space
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.target import FrozenFeatures, Target
from pyebpf.spec.types import Address, Array, record

SOURCE = Source(
    "contract.py",
    """from pyebpf import *

@tp_btf("block_rq_issue")
def issue(rq: Ptr[request]) -> None:
    started[rq, rq.q.disk.first_minor] = ktime_get_ns()

@tp_btf("block_rq_complete")
def complete(rq: Ptr[request], error: i32, nr_bytes: u32) -> None:
    begin = started.pop((rq, rq.q.disk.first_minor))
    if begin is not None:
        latency.add((ktime_get_ns() - begin) // 1_000)
""",
    is_file=False,
)
FEATURES = FrozenFeatures(
    frozenset({"cpu_v3", "helper:probe_read_kernel", "helper:probe_read_user"})
)


def span(line: int, column: int = 4, source: Source = SOURCE) -> Span:
    return Span(source, line, column, line, column + 5)


@functools.cache
def kernel_btf() -> Btf:
    """The types of the running kernel."""
    return Btf.parse(Path("/sys/kernel/btf/vmlinux").read_bytes())


@functools.cache
def small_btf() -> Btf:
    """Types that no kernel has: anonymous members, bit-fields, an array, a union, an enum."""
    return Btf.parse(write(_SMALL))


t = btf_types
_SMALL = [
    t.Int("unsigned int", 4),  # 1
    t.Int("unsigned long", 8),  # 2
    t.Int("char", 1, 1),  # 3
    t.Array(3, 1, 16),  # 4
    t.Struct("", 8, (t.Member("left", 1, 0), t.Member("right", 1, 32))),  # 5
    t.Struct("inner", 16, (t.Member("a", 2, 0), t.Member("b", 1, 64))),  # 6
    t.Array(6, 1, 4),  # 7
    t.Ptr(0),  # 8
    t.Struct(
        "outer",
        120,
        (
            t.Member("", 5, 0),
            t.Member("name", 4, 64),
            t.Member("rows", 7, 192),
            t.Member("next", 8, 704),
            t.Member("low", 1, 768, 3),
            t.Member("high", 1, 771, 7),
            t.Member("mode", 10, 800),
            t.Member("wide", 2, 832, 40),
        ),
    ),  # 9
    t.Enum("mode", 4, (t.Enumerator("OFF", 0), t.Enumerator("ON", 7))),  # 10
    t.Const(9),  # 11
    t.Typedef("outer_t", 13),  # 12
    t.Struct("", 4, (t.Member("only", 1, 0),)),  # 13
]
OUTER, MODE, CONST_OUTER, TYPEDEF = 9, 10, 11, 12


def target(btf: Btf | None = None) -> Target:
    return Target(btf, FEATURES)


def path(btf: Btf, root: int, *names: str | int) -> FieldPath:
    """The way from a struct through members and indices."""
    at, steps = root, []
    for name in names:
        kind = btf.skip(at)
        if isinstance(name, int):
            at = btf.type(kind).element  # type: ignore[attr-defined]
            steps.append(IndexStep(name, _ref(btf, at)))
        else:
            found = layout.find_member(btf, kind, name)
            assert found is not None, name
            at = found.type
            step = MemberStep(
                _ref(btf, kind), name, found.bit_offset, _ref(btf, at), found.bitfield_size
            )
            steps.append(step)
    return FieldPath(_ref(btf, root), tuple(steps))


def _ref(btf: Btf, type_id: int) -> KernelRef:
    return KernelRef(type_id, btf.name(btf.skip(type_id)))


def entry(
    body: Callable[[Builder, Param], None],
    name: str = "probe",
    section: str = "tp_btf/sys_enter",
    line: int = 4,
) -> Function:
    """An entry function."""
    context = Param(Pointer(Space.CTX), span(line), "ctx")
    fn = Function(name, section, (context,), I32, [], [], span(line, 0))
    build = Builder(fn)
    build.span = span(line + 1)
    body(build, context)
    if not build.done:
        build.ret(build.const(0, I32))
    return fn


def piped(fn: Function, to: Target) -> Function:
    """The function after all passes."""
    context = Context(to)
    (fn,) = run_pipeline(fn, context)
    context.diagnostics.raise_errors()
    return fn


def one(fn: Function, to: Target | None = None, maps: Sequence[MapSpec] = ()) -> bytes:
    """The object of one function."""
    to = to or target()
    return compile_unit(Unit((piped(fn, to),), tuple(maps)), to)


def code_of(data: bytes, name: str = "probe") -> bytes:
    return dict(functions(data))[name]


def argument(build: Builder, context: Value, number: int, kind: Any = U64) -> Value:
    return build.add(CtxLoad(kind, build.span, context, number * 8, 8))


# The contract program: time from issue to completion of a block request, as a histogram.

KEY = record("request_key", [("rq", Address("request")), ("minor", U32)])
STARTED = MapSpec("started", "hash", 16, 8, 10_240, key=KEY, value=U64)
LATENCY = MapSpec("latency", "array", 4, 512, 1, key=U32, value=Array(U64, 64))


def contract(btf: Btf) -> Unit:
    issue = entry(_issue(btf), "issue", "tp_btf/block_rq_issue", 4)
    complete = entry(_complete(btf), "complete", "tp_btf/block_rq_complete", 8)
    to = target(btf)
    return Unit((piped(issue, to), piped(complete, to)), (STARTED, LATENCY))


def _key(b: Builder, btf: Btf, rq: Value) -> Value:
    queue = btf.find("request_queue", t.Kind.STRUCT)
    disk = btf.find("gendisk", t.Kind.STRUCT)
    request = btf.find("request", t.Kind.STRUCT)
    key = b.addr(b.slot("key", KEY))
    b.add(nodes.Fill(VOID, b.span, key, 16))
    rq_at = b.add(nodes.Member(Pointer(Space.STACK, Address("request")), b.span, key, 0))
    b.store(rq_at, b.convert(rq, Address("request")))
    q = _field(
        b, rq, path(btf, request, "q"), Pointer(Space.BTF, KernelRef(queue, "request_queue"))
    )
    d = _field(b, q, path(btf, queue, "disk"), Pointer(Space.KERNEL, KernelRef(disk, "gendisk")))
    minor = _field(b, d, path(btf, disk, "first_minor"), U32)
    b.store(b.add(nodes.Member(Pointer(Space.STACK, U32), b.span, key, 8)), minor)
    return key


def _field(b: Builder, base: Value, way: FieldPath, kind: Any) -> Value:
    assert isinstance(base.type, Pointer)
    at = b.add(nodes.FieldAddr(Pointer(base.type.space), b.span, base, way))
    return b.add(nodes.KernelLoad(kind, b.span, at))


def _rq(b: Builder, btf: Btf, context: Param) -> Value:
    request = KernelRef(btf.find("request", t.Kind.STRUCT), "request")
    return argument(b, context, 0, Pointer(Space.BTF, request))


def _issue(btf: Btf) -> Callable[[Builder, Param], None]:
    def body(b: Builder, context: Param) -> None:
        key = _key(b, btf, _rq(b, btf, context))
        now = b.slot("now", U64)
        b.write(now, b.call("ktime_get_ns", ()))
        b.call("map_update_elem", (b.map(STARTED), key, b.addr(now), b.const(0)), I64)

    return body


def _complete(btf: Btf) -> Callable[[Builder, Param], None]:
    def body(b: Builder, context: Param) -> None:
        key = _key(b, btf, _rq(b, btf, context))
        found = b.call("map_lookup_elem", (b.map(STARTED), key), maybe(U64))
        b.span = span(10)
        hit, out = b.new_block("hit"), b.new_block("out")
        b.branch(b.compare(nodes.CompareOp.NE, found, b.const(0, found.type)), hit, out)
        b.start(hit)
        begin = b.load(found, U64)
        b.call("map_delete_elem", (b.map(STARTED), key), I64)
        b.span = span(11)
        passed = b.binary(nodes.BinaryOp.SUB, b.call("ktime_get_ns", ()), begin)
        slot = log2(b, b.binary(nodes.BinaryOp.FLOORDIV, passed, b.const(1_000)))
        count(b, LATENCY, slot, out)
        b.start(out)

    return body


def maybe(kind: Any) -> Pointer:
    return Pointer(Space.MAP, kind, nullable=True)


def log2(b: Builder, value: Value) -> Value:
    """The place of the highest bit, as a histogram counts it."""
    rest, bits = b.slot("rest", U64), b.slot("bits", U32)
    b.write(rest, value)
    b.write(bits, b.const(0, U32))
    for step in (32, 16, 8, 4, 2, 1):
        more, end = b.new_block("more"), b.new_block("end")
        b.branch(b.compare(nodes.CompareOp.GE, b.read(rest), b.const(1 << step)), more, end)
        b.start(more)
        b.write(rest, b.binary(nodes.BinaryOp.SHR, b.read(rest), b.const(step)))
        b.write(bits, b.binary(nodes.BinaryOp.ADD, b.read(bits), b.const(step, U32)))
        b.jump(end)
        b.start(end)
    return b.read(bits)


def count(b: Builder, spec: MapSpec, slot: Value, out: nodes.Block) -> None:
    """``spec[0][slot] += 1``, ending in ``out``."""
    assert isinstance(spec.value, Array)
    zero = b.slot("zero", U32)
    b.write(zero, b.const(0, U32))
    row = b.call("map_lookup_elem", (b.map(spec), b.addr(zero)), maybe(spec.value))
    there = b.new_block("there")
    b.branch(b.compare(nodes.CompareOp.EQ, row, b.const(0, row.type)), out, there)
    b.start(there)
    at = Pointer(Space.MAP, spec.value.element)
    cell = nodes.Element(at, b.span, row, slot, spec.value.element.size, spec.value.length)
    b.add(
        nodes.AtomicRmw(VOID, b.span, nodes.RmwOp.ADD, b.add(cell), b.const(1, spec.value.element))
    )
    b.jump(out)


# bpf(2), as little as is needed: a program without maps or relocations, run once on a context.

_SYSCALL = {"x86_64": 321}.get(platform.machine(), 280)
_PROG_LOAD, _TEST_RUN = 5, 10
_TYPE_SYSCALL, _SLEEPABLE = 31, 1 << 4


def _bpf(command: int, attr: ctypes.Array[Any]) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(_SYSCALL), command, attr, ctypes.sizeof(attr))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)


def run(code: bytes, words: Sequence[int]) -> int:
    """Run instructions as a SYSCALL program on 64-bit words; return its 32-bit result."""
    log = ctypes.create_string_buffer(1 << 20)
    text = ctypes.create_string_buffer(code)
    gpl = ctypes.create_string_buffer(b"GPL")
    attr = (ctypes.c_uint64 * 16)()
    attr[0] = _TYPE_SYSCALL | (len(code) // 8) << 32
    attr[1], attr[2] = ctypes.addressof(text), ctypes.addressof(gpl)
    attr[3] = 1 | len(log) << 32
    attr[4], attr[5] = ctypes.addressof(log), _SLEEPABLE << 32
    try:
        fd = _bpf(_PROG_LOAD, attr)
    except OSError as err:
        raise AssertionError(log.value.decode()) from err
    try:
        return _test_run(fd, words)
    finally:
        os.close(fd)


def _test_run(fd: int, words: Sequence[int]) -> int:
    context = (ctypes.c_uint64 * len(words))(*(word & (1 << 64) - 1 for word in words))
    attr = (ctypes.c_uint64 * 10)()
    attr[0] = fd
    attr[5] = ctypes.sizeof(context)
    attr[6] = ctypes.addressof(context)
    _bpf(_TEST_RUN, attr)
    return attr[0] >> 32
