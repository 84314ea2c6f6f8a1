from pyebpf import *
from enum import IntEnum


class State(IntEnum):
    NEW = 1
    OLD = 2


@record
class Point:
    x: u32
    y: u32


points = Hash[u32, Point](max_entries=16)
counts = Hash[u32, u64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    match ctx.args[0]:
        case State.NEW | 7:
            counts[1] += 1
        case State.OLD if counts.get(1) is None:
            counts[2] += 1
        case other if other > 50:
            counts[other] = other
        case _:
            return
    match counts.get(3):
        case None:
            counts[3] = 1
        case 5:
            counts[3] = 2
        case n:
            counts[3] = n + 1
    match ctx.args[0] & 1, tid():
        case (0, _):
            counts[4] += 1
        case (1, n):
            counts[n] += 1
    match points.get(1):
        case None:
            pass
        case Point(x=0, y=y):
            counts[5] = y
