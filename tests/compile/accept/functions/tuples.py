"""Functions that return tuples."""

from pyebpf import *

out = Array[i64](max_entries=8)
pairs = Hash[u32, tuple[u64, u64]](max_entries=4)


def split(time: u64) -> tuple[u64, u32]:
    return time // 1_000, time % 1_000


def ordered(a: i64, b: i64):
    if a > b:
        return b, a
    return a, b


def nested(n: u64):
    low, high = ordered(n, 10)
    return (low, n), high, comm()


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    second, rest = split(ctx.args[0])
    out[0] = second + rest
    pair = ordered(rest, 7)
    out[1] = pair[0]
    (low, n), high, name = nested(ctx.args[1])
    out[2] = low + n + high
    out[3] = name == "sh"
    pairs[1] = ordered(5, cast(i64, ctx.args[2]))
    out[4] = split(ctx.args[3])[1]
    for part in split(ctx.args[4]):
        out[5] += part
