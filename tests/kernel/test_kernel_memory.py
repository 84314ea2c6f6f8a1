"""Memory of the kernel and of this process, read by probes that run in it."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from pyebpf import (
    Array,
    Char,
    Const,
    Hash,
    Ptr,
    RawTracepointContext,
    TracepointContext,
    UserPtr,
    addressof,
    cast,
    chars,
    comm,
    container_of,
    current_task,
    has_enumerator,
    has_type,
    i8,
    i32,
    i64,
    load,
    offsetof,
    raw_tracepoint,
    read_kernel,
    read_kernel_str,
    read_user,
    read_user_str,
    record,
    tracepoint,
    u16,
    u32,
    u64,
)
from pyebpf.btf.layout import find_member
from pyebpf.btf.system import kernel_btf
from pyebpf.kernel import bpf_map_type, list_head, no_such_type, sockaddr_in, task_struct
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel


@record
class Point:
    x: i32
    y: i64
    name: Char = chars(16)


@record
class Node:
    value: u32
    next: UserPtr


@record
class Path32:
    path: Char = chars(32)


@record
class Short:
    name: Char = chars(4)
    after: u32


shorts = Hash[u32, Short](max_entries=4)


@record
class Path64:
    path: Char = chars(64)


out = Array[i64](max_entries=32)
points = Hash[u32, Point](max_entries=16)
paths = Hash[u32, Path32](max_entries=16)
tasks = Hash[u32, Ptr[task_struct]](max_entries=16)
long_paths = Hash[u32, Path64](max_entries=16)


class CPoint(ctypes.Structure):
    _fields_ = (("x", ctypes.c_int32), ("y", ctypes.c_int64), ("name", ctypes.c_char * 16))


class CNode(ctypes.Structure):
    _fields_ = (("value", ctypes.c_uint32), ("next", ctypes.c_void_p))


@raw_tracepoint("sys_enter")
def values(ctx: RawTracepointContext) -> int:
    a = ctx.args[0]
    out[0] = read_user(i32, a)
    out[1] = read_user(i64, a + 8)
    point = read_user(Point, a)
    out[2] = point.x + point.y
    points[1] = point
    x, y = read_user(tuple[i32, i64], a)
    out[3] = x * 2 + y
    far = cast(UserPtr[Point], a)
    out[4] = far.y + far.x
    points[2] = Point(x=far.x, name=far.name)
    points[3] = Point(name=read_user_str(a + 16, 8))
    shorts[1] = Short(name=read_user_str(a + 16, 64), after=7)
    out[5] = cast(UserPtr[i32], a)[0] + cast(UserPtr[i64], a)[1]
    text = read_user_str(a + 16, 16)
    out[6] = 1 if text else 2
    return 1


def test_numbers_records_tuples_and_text_of_this_process() -> None:
    point = CPoint(-3, 1 << 40, b"hello")
    with loaded(values) as session:
        assert fire(session, values, ctypes.addressof(point)) == 1
        far = 1 << 40
        assert session[out].view()[:7].tolist() == [
            -3, far, far - 3, far - 6, far - 3, far - 3, 1,
        ]  # fmt: skip
        seen = session[points]
        assert tuple(seen[1].values()) == (-3, far, "hello")
        assert tuple(seen[2].values()) == (-3, 0, "hello")
        assert tuple(seen[3].values()) == (0, 0, "hello")
        assert tuple(session[shorts][1].values()) == ("hell", 7)


def test_what_cannot_be_read_is_zero_and_empty() -> None:
    with loaded(values) as session:
        assert fire(session, values, 16) == 1
        assert session[out].view()[:7].tolist() == [0, 0, 0, 0, 0, 0, 2]
        assert tuple(session[points][1].values()) == (0, 0, "")
        assert tuple(session[points][3].values()) == (0, 0, "")


@raw_tracepoint("sys_enter")
def failures(ctx: RawTracepointContext) -> int:
    value = read_user(u32, ctx.args[0], None)
    if value is None:
        return 100
    if (again := read_user(u32, ctx.args[0], default=None)) is not None:
        return value + again
    return 200


def test_a_read_that_may_fail_tells() -> None:
    number = ctypes.c_uint32(21)
    with loaded(failures) as session:
        assert fire(session, failures, ctypes.addressof(number)) == 42
        assert fire(session, failures, 0) == 100
        assert fire(session, failures, 1 << 63) == 100


@raw_tracepoint("sys_enter")
def chain(ctx: RawTracepointContext) -> int:
    node = cast(UserPtr[Node], ctx.args[0])
    total = 0
    for _ in range(8):
        if not node:
            break
        total = total * 10 + node.value
        node = cast(UserPtr[Node], node.next)
    return total


def test_a_chain_of_pointers_in_this_process() -> None:
    third = CNode(3, None)
    second = CNode(2, ctypes.addressof(third))
    first = CNode(1, ctypes.addressof(second))
    with loaded(chain) as session:
        assert fire(session, chain, ctypes.addressof(first)) == 123
        assert fire(session, chain, 0) == 0


@raw_tracepoint("sys_enter")
def address(ctx: RawTracepointContext) -> int:
    there = cast(UserPtr[sockaddr_in], ctx.args[0])
    return there.sin_family << 16 | there.sin_port


def test_a_kernel_type_in_the_memory_of_a_process() -> None:
    data = ctypes.create_string_buffer(
        struct.pack("=HH4s8x", socket.AF_INET, 0x1234, b"\x7f\0\0\1")
    )
    with loaded(address) as session:
        assert fire(session, address, ctypes.addressof(data)) == socket.AF_INET << 16 | 0x1234


@raw_tracepoint("sys_enter")
def kernel(ctx: RawTracepointContext) -> int:
    task = current_task()
    tasks[1] = task
    paths[1] = Path32(path=read_kernel_str(task.mm.exe_file.f_path.dentry.d_name.name, 32))
    found = tasks.get(1)
    if found is not None:
        out[0] = found.tgid
        out[1] = found == task
    child = container_of(task.real_parent.children.next, task_struct, "sibling")
    out[2] = child.real_parent.tgid
    children = addressof(task.real_parent.children)
    out[3] = cast(Ptr[list_head], child.sibling.prev) == children
    out[4] = read_kernel(u32, cast(u64, task) + offsetof(task_struct, "tgid"))
    out[5] = cast(Ptr[u32], cast(u64, task) + offsetof(task_struct, "pid"))[1]
    out[6] = offsetof(task_struct, "se.run_node")
    out[7] = offsetof(Point, "y")
    return 1


def test_pointers_in_maps_lists_and_names_of_the_kernel() -> None:
    with loaded(kernel) as session:
        assert fire(session, kernel) == 1
        seen = session[out].view()[:8].tolist()
        assert seen[:4] == [os.getpid(), 1, os.getppid(), 1]
        assert seen[4:6] == [os.getpid(), os.getpid()]
        btf = kernel_btf()
        inside = find_member(btf, btf.find("task_struct"), "se")
        assert inside is not None
        node = find_member(btf, btf.skip(inside.type), "run_node")
        assert node is not None
        assert seen[6:] == [(inside.bit_offset + node.bit_offset) // 8, 8]
        name = Path("/proc/self/exe").resolve().name
        assert session[paths][1].path == name[:31]


@raw_tracepoint("sys_enter")
def questions(ctx: RawTracepointContext) -> int:
    out[10] = bpf_map_type.BPF_MAP_TYPE_HASH * 100 + bpf_map_type.BPF_MAP_TYPE_RINGBUF
    out[11] = has_enumerator(bpf_map_type, "BPF_MAP_TYPE_HASH") << 1
    out[11] += has_enumerator(bpf_map_type, "BPF_MAP_TYPE_OF_TOMORROW")
    out[12] = has_type(task_struct) * 2 + has_type(no_such_type)
    out[13] = cast(u16, ctx.args[0])
    out[14] = cast(i8, ctx.args[0])
    return 1


def test_enumerators_types_and_widths() -> None:
    with loaded(questions) as session:
        assert fire(session, questions, 0x123FF) == 1
        assert session[out].view()[10:15].tolist() == [127, 2, 2, 0x23FF, -1]


parent = Const(0)


@tracepoint("sched:sched_process_exec")
def executed(ctx: TracepointContext) -> None:
    if current_task().real_parent.tgid == parent:
        paths[2] = Path32(path=read_kernel_str(addressof(ctx.filename), 32))
        long_paths[2] = Path64(path=ctx.filename)
        paths[3] = Path32(path=read_kernel_str(ctx.filename, 8))
        long_paths[3] = Path64(path=read_kernel_str(current_task().comm, 3))
        long_paths[4] = Path64(path=read_user_str(comm(), 64))
        out[15] = read_kernel_str(ctx.filename, 256) == "/bin/true"


def test_text_of_a_tracepoint_whose_length_varies() -> None:
    with load(executed, options={parent: os.getpid()}) as session:
        subprocess.run(["/bin/true"], check=True)
        assert session[paths][2].path == "/bin/true"
        assert session[long_paths][2].path == "/bin/true"
        assert session[paths][3].path == "/bin/tr"
        assert [session[long_paths][n].path for n in (3, 4)] == ["tru", "true"]
        assert session[out][15] == 1
