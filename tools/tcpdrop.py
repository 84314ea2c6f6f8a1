"""Trace TCP segments that the kernel throws away: whose, why, and where in the kernel.

All of them, also those that reach no socket, and those that are sent and do not get out. What a
network card drops by itself is not seen.

Output:   a line for each segment, the kernel's stack below it, and an empty line. PID is what ran
          when it was dropped, often not whose connection it is. STATE is that of the socket, if
          the kernel tells whose segment it is. REASON is the kernel's word (of its enum
          skb_drop_reason), CODE its number there; Linux 5.17 and later have them.
Cost:     a tracepoint that runs for each packet that is dropped; for each that is TCP a stack.
Needs:    Linux 5.8, with BTF. Before 5.17 what TCP drops because of what it received is seen where
          functions of the kernel can be traced.
Source:   behaviour after BCC's tcpdrop (Brendan Gregg, 2018); written from scratch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyebpf import Const, Events, Ptr, Session, i64, ktime_get_ns, record, tgid, u8, u32, u64
from pyebpf.cli import Below, Clock, Column, Lines, Tool, printable
from pyebpf.cli.tcp import place
from pyebpf.host.inodes import inode
from pyebpf.kernel import sk_buff, sock
from pyebpf.lib import net
from pyebpf.lib.segments import Segment, flag_words, network_of, reason_word, segment_of
from pyebpf.lib.stacks import kernel_stacks, stacks, storage
from pyebpf.lib.tcp import STATES, only_v4, only_v6, plain

__all__ = ["only_v4", "only_v6", "storage", "tool"]  # options of the tool


def network_of_process(text: str) -> int:
    """Return the network namespace of a process."""
    try:
        return inode(f"/proc/{int(text)}/ns/net")
    except ValueError:
        raise ValueError(f"{text!r} is no number of a process") from None
    except OSError as err:
        raise ValueError(f"process {text}: {err.strerror}") from None


netns_id = Const(
    0, "--netns-id", help="trace the network namespace with this inode number only", metavar="INODE"
)
pid_netns = Const(
    0,
    "--pid-netns",
    help="trace the network namespace of this process only",
    convert=network_of_process,
    metavar="PID",
)


@record
class Drop:
    """A segment that was dropped."""

    ts_ns: u64
    segment: Segment
    stack: i64
    pid: u32
    reason: u32
    state: u8


drops = Events[Drop](pages=64)


@net.dropped()
def on_drop(skb: Ptr[sk_buff], _: u64, reason: u32, sk: Ptr[sock]) -> None:
    """Send what is known of a segment that is dropped."""
    segment = segment_of(skb)
    if not segment.version:
        return
    if (only_v4 and segment.version != 4) or (only_v6 and segment.version != 6):
        return
    if (netns_id or pid_netns) and network_of(skb, sk) not in (netns_id, pid_netns):
        return
    with drops.reserve() as e:
        e.ts_ns, e.pid, e.segment, e.reason = ktime_get_ns(), tgid(), segment, reason
        e.stack = stacks.kernel()
        if sk:
            e.state = sk.__sk_common.skc_state  # noqa: SLF001 - the kernel's name


def state_of(_: Session, drop: Any) -> str | None:
    """Return the state of the socket, if there is one."""
    return STATES[drop.state] or None


def stack_of(session: Session, drop: Any) -> tuple[str, ...]:
    """Return where in the kernel it was, the innermost function first."""
    return kernel_stacks(session, [drop.stack], offsets=True)[drop.stack][::-1]


def drawn(functions: Iterable[str]) -> list[str]:
    """Return the lines of a stack, and an empty one."""
    return [*(f"\t{printable(function)}" for function in functions), ""]


def state_and_flags(session: Session, drop: Any) -> str:
    """Return both as one text."""
    return f"{state_of(session, drop) or '-'} ({flag_words(drop.segment.flags)})"


_TIME = Clock("TIME", 8, value=lambda _, drop: drop.ts_ns)
_PID = Column("PID", 7)
_VERSION = Column("IP", 2, value=lambda _, drop: drop.segment.version)
_STACK = Below("STACK", 0, value=stack_of, drawn=drawn)

tool: Tool[None] = Tool(
    __name__,
    probes=[on_drop],
    lines=Lines(
        drops,
        _TIME,
        _PID,
        _VERSION,
        Column(
            "SADDR:SPORT",
            20,
            value=lambda _, drop: place(plain(drop.segment.saddr), drop.segment.sport),
        ),
        Column(">", 1, value=lambda *_: ">"),
        Column(
            "DADDR:DPORT",
            20,
            value=lambda _, drop: place(plain(drop.segment.daddr), drop.segment.dport),
        ),
        Column("STATE (FLAGS)", 20, value=state_and_flags),
        Column(
            "REASON (CODE)", 0, value=lambda _, drop: f"{reason_word(drop.reason)} ({drop.reason})"
        ),
        _STACK,
        values=(
            _TIME,
            _PID,
            _VERSION,
            Column("SADDR", 0, value=lambda _, drop: plain(drop.segment.saddr)),
            Column("SPORT", 0, value=lambda _, drop: drop.segment.sport),
            Column("DADDR", 0, value=lambda _, drop: plain(drop.segment.daddr)),
            Column("DPORT", 0, value=lambda _, drop: drop.segment.dport),
            Column("STATE", 0, value=state_of),
            Column("FLAGS", 0, value=lambda _, drop: flag_words(drop.segment.flags)),
            Column("REASON", 0, value=lambda _, drop: reason_word(drop.reason)),
            Column("CODE", 0, value=lambda _, drop: drop.reason),
            _STACK,
        ),
    ),
    exclusive=[(only_v4, only_v6), (netns_id, pid_netns)],
    early=True,
    filters="segments are dropped while any task runs, mostly not the one whose they are",
    examples="""
        tcpdrop                        # trace TCP segments that are dropped
        tcpdrop -4                     # trace IPv4 only
        tcpdrop -6                     # trace IPv6 only
        tcpdrop --netns-id 4026531840  # trace one network namespace
        tcpdrop --pid-netns 181        # trace the network namespace of process 181
        tcpdrop -j                     # print JSON, one object per line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
