"""Reads of memory have the type that is read."""

from typing import Any

from pyebpf import (
    Array,
    Char,
    Hash,
    Ptr,
    RawTracepointContext,
    UserPtr,
    addressof,
    cast,
    chars,
    container_of,
    current_task,
    has_enumerator,
    has_type,
    i32,
    i64,
    offsetof,
    raw_tracepoint,
    read_kernel,
    read_kernel_str,
    read_user,
    read_user_str,
    record,
    u16,
    u32,
    u64,
)
from pyebpf.kernel import bpf_map_type, task_struct


@record
class Point:
    x: i32
    y: i64
    name: Char = chars(16)
    next: UserPtr[Any]


out = Array[i64](max_entries=16)
points = Hash[u32, Point](max_entries=16)
tasks = Hash[u32, Ptr[task_struct]](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    task = current_task()
    tasks[1] = task
    found = tasks.get(1)
    if found is not None:
        out[0] = found.real_parent.tgid
    child = container_of(task.children.next, task_struct, "sibling")
    out[1] = child.pid + read_kernel(u32, addressof(task.se)) + cast(u16, ctx.args[0])
    point = read_user(Point, ctx.args[0])
    points[1] = Point(
        x=point.x, y=1, name=read_user_str(ctx.args[1], 16), next=point.next
    )
    x, y = read_user(tuple[i32, i64], ctx.args[1])
    out[2] = x + y + cast(UserPtr[Point], point.next).y + cast(Ptr[u64], ctx.args[2])[1]
    maybe = read_user(u32, ctx.args[1], None)
    if maybe is not None:
        out[3] = maybe
    print(read_kernel_str(task.comm, 16), offsetof(task_struct, "pid"), bpf_map_type.BPF_MAP_TYPE_HASH)
    if has_type(task_struct) and has_enumerator(bpf_map_type, "BPF_MAP_TYPE_HASH"):
        out[4] = 1
