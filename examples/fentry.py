"""Print how long each flush of a file takes: from where a function of the kernel begins to its end.

$ sudo python examples/fentry.py                # -p PID: by one process only; Ctrl-C ends it
dpkg 4242 flushed status-new in 1187 us
"""

from pyebpf import Const, Hash, Ptr, comm, fentry, fexit, ktime_get_ns, tgid, tid, u32, u64
from pyebpf.cli import run
from pyebpf.kernel import file

pid = Const(0, "-p", "--pid", help="only this process")
began = Hash[u32, u64](max_entries=10_240)


@fentry("vfs_fsync_range")
def begins() -> None:
    if pid in (0, tgid()):
        began[tid()] = ktime_get_ns()


@fexit("vfs_fsync_range")
def ends(file: Ptr[file]) -> None:
    begin = began.pop(tid())
    if begin is not None:
        name, took_us = file.f_path.dentry.d_name.name, (ktime_get_ns() - begin) // 1_000
        print(f"{comm()} {tgid()} flushed {name} in {took_us} us")


if __name__ == "__main__":
    run(begins, ends, header="Tracing... Hit Ctrl-C to end.")
