"""Draw how long reads of files take as a histogram, after BCC's vfsreadlat.

sudo python examples/vfsreadlat.py           # until Ctrl-C
sudo python examples/vfsreadlat.py 1 10      # one for each of ten seconds
sudo python examples/vfsreadlat.py -p 1234   # reads of process 1234 only

Where neither BTF trampolines nor kprobes can look at vfs_read, the system call read(2) is measured.
"""

from pyebpf import (
    Const,
    Hash,
    Log2Hist,
    Session,
    fentry,
    fexit,
    first_of,
    kprobe,
    kretprobe,
    ktime_get_ns,
    tgid,
    tid,
    tracepoint,
    u32,
    u64,
)
from pyebpf.cli import run

pid = Const(0, "-p", "--pid", help="only this process")
began = Hash[u32, u64](max_entries=10_240)
latency = Log2Hist(unit="us")


@first_of(fentry("vfs_read"), kprobe("vfs_read"), tracepoint("syscalls:sys_enter_read"))
def begins() -> None:
    if pid in (0, tgid()):
        began[tid()] = ktime_get_ns()


@first_of(fexit("vfs_read"), kretprobe("vfs_read"), tracepoint("syscalls:sys_exit_read"))
def ends() -> None:
    since = began.pop(tid())
    if since is not None:
        latency.add((ktime_get_ns() - since) // 1_000)


def report(session: Session) -> object:
    return session[latency].take()


if __name__ == "__main__":
    run(begins, ends, report=report, header="Tracing... Hit Ctrl-C to end.")
