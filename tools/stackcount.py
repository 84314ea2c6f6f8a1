"""Count the call stacks that lead to functions, tracepoints or USDT probes.

  name, p::name              functions of the kernel
  lib:name, p:lib:name       functions of a library or program
  t:category:event           tracepoints of the kernel
  u:lib:probe                USDT probes of a library or program

A name may have wildcards, tcp_*, or be a regular expression between slashes, /^tcp_(send|recv)/;
with -r it is one without them. It matches at the begin of a name.

Output:   a block for each stack, the largest count last: functions of the kernel, then of user
          space, the innermost first; with -P name and number of the process; how many calls.
Cost:     one or two stacks, and one hash update for each call; a new hash for each interval.
Needs:    Linux 4.20. User stacks need programs with frame pointers.
Source:   behaviour after BCC's stackcount (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyebpf import (
    Alternatives,
    ArrayOfMaps,
    Char,
    Const,
    Hash,
    Probe,
    Session,
    chars,
    comm,
    i64,
    record,
    tgid,
    u32,
    u64,
)
from pyebpf.cli import StackLayout, Tool
from pyebpf.cli.places import (
    Hooked,
    header,
    is_call_wanted,
    only_cpu,
    pattern,
    regexp,
    tell_names,
    wanted,
)
from pyebpf.lib.filters import FILTERS, only_pid
from pyebpf.lib.stacks import (
    delimited,
    folded,
    kernel_only,
    kernel_stack,
    remember,
    storage,
    taken,
    user_only,
    user_stack,
)

if TYPE_CHECKING:
    from pyebpf.symbols import StackCounts

__all__ = ["kernel_only", "only_cpu", "pattern", "regexp", "storage", "tool", "user_only"]

offsets = Const(False, "-s", "--offset", help="show how far into each function")
per_pid = Const(False, "-P", "--perpid", help="show the stacks of each process")
verbose = Const(False, "-v", "--verbose", help="show raw addresses")
debug = Const(False, "--debug", help="print what matches before tracing begins")
room = Const(40_960, "--hash-storage-size", help="how many keys there is room for", metavar="COUNT")


@record
class Path:
    """How a function came to be called."""

    pid: u32
    comm: Char = chars(16)
    user: i64
    kernel: i64


calls = Hash[Path, u64](max_entries=room)
#: Has the one that is counted in. Each interval gets its own: what is emptied while programs count
#: misses what they add just then.
turn = ArrayOfMaps(calls, (calls,))


def on_call() -> None:
    """Count a stack."""
    if not is_call_wanted():
        return
    current = turn.get(0)
    if current is None:
        return
    current[Path(pid=tgid(), comm=comm(), user=user_stack(), kernel=kernel_stack())] += 1


def counting(hooked: Hooked) -> tuple[Probe, ...]:
    """Make the probe of functions that one program counts."""
    return (hooked.begin(on_call),)


def probes(options: Any) -> Iterable[Probe | Alternatives]:
    """Make the probes of all that matches."""
    if options.option(debug):
        tell_names(options)
    return wanted(options).probes(counting)


def report(session: Session) -> StackCounts:
    """Name the stacks of one interval."""
    with session[turn].swap(0) as past:
        counts: StackCounts = taken(
            session, past, number="pid", unit="calls",
            offsets=session.option(offsets), addresses=session.option(verbose),
        )  # fmt: skip
    if session.option(per_pid):
        return counts
    return counts.mapped(lambda stack: stack._replace(process=""))


def begins(session: Session) -> str:
    """Return what is printed when tracing begins; nothing before folded stacks."""
    return "" if session.option(folded) else header(session)


tool = Tool(
    __name__,
    probes=probes,
    report=report,
    layout=StackLayout(folded=folded, delimited=delimited, stamps=False),
    header=begins,
    letters=["-i", "-D"],
    meanwhile=lambda session: remember(session, tuple(filter(None, [session.option(only_pid)]))),
    filters=FILTERS,
    exclusive=[(user_only, kernel_only)],
    examples="""
        stackcount submit_bio             # stacks that lead to block I/O
        stackcount -K ip_output           # stacks of the kernel only
        stackcount -s ip_output           # with offsets in functions
        stackcount -p 185 ip_output       # of process 185 only
        stackcount -P ip_output           # of each process
        stackcount -i 1 submit_bio        # every second
        stackcount -D 30 -f tcp_sendmsg   # folded, for 30 seconds
        stackcount -p 185 -U c:malloc     # who calls malloc()
        stackcount t:sched:sched_switch   # a tracepoint
        stackcount -r '^tcp_(send|recv)'  # functions by a regular expression
        stackcount -c 1 'vfs_*'           # on CPU 1 only
        stackcount --top 5 'vfs_*'        # the five most frequent stacks
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
