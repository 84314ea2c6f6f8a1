from pyebpf import *
from pyebpf.kernel import bpf_map_type, no_such_type, task_struct


@record
class Point:
    x: i32
    y: i64


out = Array[i64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    point = read_user(Point, ctx.args[0], None)
