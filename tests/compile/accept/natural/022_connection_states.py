"""A state machine for each connection."""

from enum import IntEnum

from pyebpf import Array, Hash, RawTracepointContext, raw_tracepoint, u8, u64


class State(IntEnum):
    CLOSED = 0
    OPENING = 1
    OPEN = 2
    CLOSING = 3


class Event(IntEnum):
    SYN = 1
    ACK = 2
    FIN = 3


states = Hash[u64, u8](max_entries=1_024)
finished = Array[u64](max_entries=1)
unexpected = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    conn, event = ctx.args[0], ctx.args[1]
    match states.get(conn, 0), event:
        case State.CLOSED, Event.SYN:
            states[conn] = State.OPENING
        case State.OPENING, Event.ACK:
            states[conn] = State.OPEN
        case State.OPEN, Event.FIN:
            states[conn] = State.CLOSING
        case State.CLOSING, Event.ACK:
            finished[0] += 1
            del states[conn]
        case _:
            unexpected[0] += 1
