"""Sample what runs, 99 times a second on each CPU; count call stacks as flame graphs take them.

$ sudo python examples/profiler.py              # -p PID: one process only; Ctrl-C ends it
gzip;main;treat_file;zip;deflate 61
gzip;main;treat_file;zip;read;entry_SYSCALL_64;do_syscall_64;ksys_read;vfs_read 3

$ sudo python examples/profiler.py --svg gzip.svg             # draws them, for a browser
"""

from pyebpf import (
    Char,
    Const,
    Hash,
    PerfEventContext,
    Session,
    StackTrace,
    chars,
    comm,
    i64,
    perf_event,
    record,
    tgid,
    u32,
    u64,
)
from pyebpf.cli import run

pid = Const(0, "-p", "--pid", help="only this process")
svg = Const("", "--svg", help="draw a flame graph into this file", metavar="FILE")


@record
class Place:
    pid: u32
    comm: Char = chars(16)
    user: i64
    kernel: i64


stacks = StackTrace(max_entries=16_384)
samples = Hash[Place, u64](max_entries=16_384)


@perf_event(freq_hz=99)
def sample(ctx: PerfEventContext) -> None:
    if pid in (0, tgid()):
        samples[Place(pid=tgid(), comm=comm(), user=stacks.user(), kernel=stacks.kernel())] += 1


def report(session: Session) -> str:
    counts = session[stacks].counts(session[samples])
    path = session.option(svg)
    if not path:
        return counts.folded()
    counts.flame(f"{counts.total} samples").save(path)
    return f"{path}: {len(counts)} stacks"


if __name__ == "__main__":
    run(sample, report=report, header="Sampling... Hit Ctrl-C to end.")
