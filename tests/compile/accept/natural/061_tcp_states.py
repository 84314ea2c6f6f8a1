"""Changes of TCP sockets, by name of the state."""

from enum import IntEnum

from pyebpf import Const, Events, TracepointContext, record, tgid, tracepoint, u8, u16


class Tcp(IntEnum):
    ESTABLISHED = 1
    SYN_SENT = 2
    FIN_WAIT1 = 4
    CLOSE = 7
    LISTEN = 10


@record
class Change:
    old: u8
    new: u8
    port: u16


target_pid = Const(0, "-p", "--pid")
changes = Events[Change]()


@tracepoint("sock:inet_sock_set_state")
def probe(ctx: TracepointContext) -> None:
    if tgid() != target_pid:
        return
    if ctx.newstate in (Tcp.SYN_SENT, Tcp.LISTEN) or ctx.oldstate == Tcp.LISTEN:
        changes.emit(Change(old=ctx.oldstate, new=ctx.newstate, port=ctx.dport or ctx.sport))
