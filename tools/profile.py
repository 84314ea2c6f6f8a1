"""Sample what runs on the CPUs, and count the samples by stack.

Samples are taken by the hardware's counter of cycles where there is one, else by a clock; 49 times
a second by default, which is in step with nothing else.

Output:   a block for each stack, the largest count last: functions of the kernel, then of user
          space, the innermost first; name and number of the process; how many samples.
Cost:     for each sample one or two stacks and a hash update.
Needs:    Linux 4.9. User stacks need programs with frame pointers.
Source:   behaviour after BCC's profile (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf import (
    Char,
    Const,
    Hash,
    PerfEventContext,
    Session,
    chars,
    comm,
    first_of,
    i64,
    perf_event,
    record,
    tgid,
    tid,
    u32,
    u64,
)
from pyebpf.cli import StackLayout, Tool, numbers, positive, whole
from pyebpf.lib.containers import cgroup_map, is_traced, mntns_map
from pyebpf.lib.filters import FILTERS, is_wanted
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
    which,
)

if TYPE_CHECKING:
    from pyebpf.symbols import StackCounts

__all__ = ["cgroup_map", "kernel_only", "mntns_map", "storage", "tool", "user_only"]

only_pids: tuple[int, ...] = Const(
    (), "-p", "--pid", help="sample these processes only: 185,175", convert=numbers, metavar="PIDS"
)
only_tids: tuple[int, ...] = Const(
    (), "-L", "--tid", help="sample these threads only: 188,120", convert=numbers, metavar="TIDS"
)
frequency = Const(49, "-F", "--frequency", help="samples a second, 49 by default", convert=positive)
period = Const(0, "-c", "--count", help="sample once in so many events", convert=positive)
marked = Const(False, "-a", "--annotations", help="put _[k] behind functions of the kernel")
with_idle = Const(False, "-I", "--include-idle", help="include stacks of idle CPUs")
room = Const(40_960, "--hash-storage-size", help="how many keys there is room for", metavar="COUNT")
only_cpu: int | None = Const(None, "-C", "--cpu", help="sample this CPU only", convert=whole)
addresses = Const(False, "-A", "--address", help="show raw addresses")


@record
class Place:
    """What ran where."""

    pid: u32
    comm: Char = chars(16)
    user: i64
    kernel: i64


samples = Hash[Place, u64](max_entries=room)


@first_of(
    perf_event("cycles", period=period, cpu=only_cpu, when=period),
    perf_event(period=period, cpu=only_cpu, when=period),
    perf_event("cycles", freq_hz=frequency, cpu=only_cpu),
    perf_event(freq_hz=frequency, cpu=only_cpu),
)
def on_sample(ctx: PerfEventContext) -> None:
    """Count a sample."""
    if (only_pids and tgid() not in only_pids) or (only_tids and tid() not in only_tids):
        return
    if not is_wanted() or (tid() == 0 and not with_idle) or not is_traced():
        return
    samples[Place(pid=tgid(), comm=comm(), user=user_stack(), kernel=kernel_stack())] += 1


def report(session: Session) -> StackCounts:
    """Name the stacks."""
    shown = session.option(addresses)
    counts: StackCounts = taken(
        session, session[samples], number="pid", unit="samples", addresses=shown
    )
    return counts


def header(session: Session) -> str:
    """Return what is printed when sampling begins; nothing before folded stacks."""
    if session.option(folded):
        return ""
    every = session.option(period)
    rate = f"every {every} events" if every else f"{session.option(frequency)} Hertz"
    pids, tids = session.option(only_pids), session.option(only_tids)
    whose = "all threads"
    if pids or tids:
        whose = f"{'PID' if pids else 'TID'} {','.join(map(str, pids or tids))}"
    cpu = session.option(only_cpu)
    where = "" if cpu is None else f" on CPU {cpu}"
    stack = which(session)
    return f"Sampling at {rate} of {whose} by {stack} stack{where}... Hit Ctrl-C to end."


tool = Tool(
    __name__,
    probes=[on_sample],
    report=report,
    layout=StackLayout(folded=folded, delimited=delimited, marked=marked),
    header=header,
    single=True,
    meanwhile=lambda session: remember(session, session.option(only_pids)),
    process=only_pids,
    filters=FILTERS,
    exclusive=[(only_pids, only_tids), (user_only, kernel_only), (frequency, period)],
    examples="""
        profile                   # sample all CPUs at 49 Hertz until Ctrl-C
        profile -F 99             # at 99 Hertz
        profile -c 1000000        # once in a million cycles, or nanoseconds
        profile 5                 # for 5 seconds only
        profile -f 5              # folded stacks, for flame graphs
        profile -p 185            # only process 185
        profile -L 185            # only thread 185
        profile -U                # stacks of user space only
        profile -K                # stacks of the kernel only
        profile -C 1              # only CPU 1
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
