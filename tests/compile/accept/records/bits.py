"""Bit-fields: read, written, made, in entries, variables, reserved records and foreign memory."""

from pyebpf import *


@record
class Flags:
    seen: bool = bits(1)
    kind: u32 = bits(7)
    level: i32 = bits(5)
    count: u64 = bits(40)
    plain: u16


flags = Hash[u32, Flags](max_entries=16)
events = Events[Flags](pages=64)
out = Array[i64](max_entries=8)


@raw_tracepoint("sys_enter")
def entries(ctx: RawTracepointContext) -> None:
    flags[1] = Flags(seen=True, kind=ctx.args[0], level=-3, plain=7)
    entry = flags.get(1)
    if entry is not None:
        entry.kind = entry.kind + 1
        entry.kind |= 64
        entry.kind &= ctx.args[1]
        out[0] = entry.level * 2 + entry.count
        if entry.seen:
            entry.seen = False


@raw_tracepoint("sys_exit")
def private(ctx: RawTracepointContext) -> None:
    mine = Flags(kind=3)
    mine.level -= ctx.args[0]
    mine.count += mine.level
    match mine:
        case Flags(kind=3, count=n):
            out[1] = n
    with events.reserve() as event:
        event.level = mine.level
        event.kind += 5
    out[2] = cast(Ptr[Flags], ctx.args[1]).level
