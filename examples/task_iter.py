"""List the threads that there are now, with a program that visits them all.

$ sudo python examples/task_iter.py             # -p PID: of one process only
    PID     TID COMM
      1       1 systemd
    911     913 cron
"""

from pyebpf import Char, Const, IterContext, Ptr, Session, chars, iter, record, rows, u32
from pyebpf.cli import run
from pyebpf.kernel import task_struct

pid = Const(0, "-p", "--pid", help="only this process")


@record
class Thread:
    pid: u32
    tid: u32
    comm: Char = chars(16)


@iter("task")
def threads(ctx: IterContext, task: Ptr[task_struct] | None) -> None:
    if task is not None and pid in (0, task.tgid):
        ctx.emit(Thread(pid=task.tgid, tid=task.pid, comm=task.comm))


def show(session: Session) -> None:
    print(f"{'PID':>7} {'TID':>7} COMM")
    for thread in rows(Thread, session.read(threads)):
        print(f"{thread.pid:7} {thread.tid:7} {thread.comm}")


if __name__ == "__main__":
    run(threads, follow=show)
