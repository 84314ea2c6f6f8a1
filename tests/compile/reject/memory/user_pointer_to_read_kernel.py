from pyebpf import *
from pyebpf.kernel import bpf_map_type, no_such_type, task_struct


@record
class Point:
    x: i32
    y: i64


out = Array[i64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = read_kernel(u32, cast(UserPtr[u32], ctx.args[0]))
