"""Print the kernel's call stack at each call of a function, after BCC's stacksnoop.

sudo python examples/stacksnoop.py vfs_fsync_range             # Ctrl-C ends it
sudo python examples/stacksnoop.py -v -p 1234 vfs_fsync_range  # process 1234, with CPUs and names
sudo python examples/stacksnoop.py sched:sched_switch          # or at a tracepoint
"""

from pyebpf import (
    Char,
    Const,
    Events,
    Session,
    StackTrace,
    chars,
    comm,
    cpu,
    first_of,
    i64,
    kprobe,
    ktime_get_ns,
    record,
    rows,
    tgid,
    tracepoint,
    u32,
    u64,
)
from pyebpf.cli import run

function = Const("submit_bio", "function", help="of the kernel, or a tracepoint with its category")
pid = Const(0, "-p", "--pid", help="only this process")
offset = Const(False, "-s", "--offset", help="show how far into each function")
verbose = Const(False, "-v", "--verbose", help="show the process and the CPU")


@record
class Call:
    ts_ns: u64
    stack: i64
    pid: u32
    cpu: u32
    comm: Char = chars(16)


calls, stacks = Events[Call](pages=64), StackTrace(max_entries=16_384)


@first_of(tracepoint(function), kprobe(function))
def called() -> None:
    if pid in (0, tgid()):
        with calls.reserve() as call:
            call.ts_ns, call.stack = ktime_get_ns(), stacks.kernel()
            call.pid, call.cpu, call.comm = tgid(), cpu(), comm()


def follow(session: Session) -> None:
    for call in rows(Call, session[calls]):
        who = f"{call.comm} {call.pid} {call.cpu} " if session.option(verbose) else ""
        print(f"{call.ts_ns / 1e9:<18.9f} {who}{session.option(function)}")
        for frame in session[stacks].frames(call.stack):
            print(f"    {frame.name}" + f"+{frame.offset:#x}" * session.option(offset))
        print()


if __name__ == "__main__":
    run(called, follow=follow, header="Tracing... Hit Ctrl-C to end.")
