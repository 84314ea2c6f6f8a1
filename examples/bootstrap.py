"""Print when programs begin and end, how long they ran, and what they returned.

$ sudo python examples/bootstrap.py             # -p PID: one process only; Ctrl-C ends it
4242 ls begins
4242 ls ended after 1.8 ms with 0
"""

from pyebpf import (
    Char,
    Const,
    Events,
    Hash,
    Session,
    TracepointContext,
    chars,
    comm,
    current_task,
    i32,
    ktime_get_ns,
    record,
    rows,
    tgid,
    tid,
    tracepoint,
    u32,
    u64,
)
from pyebpf.cli import run

pid = Const(0, "-p", "--pid", help="only this process")
began = Hash[u32, u64](max_entries=10_240)


@record
class Life:
    pid: u32
    code: i32
    took_ns: u64
    comm: Char = chars(16)


lives = Events[Life]()


@tracepoint("sched:sched_process_exec")
def begins(ctx: TracepointContext) -> None:
    if pid in (0, tgid()):
        began[tgid()] = ktime_get_ns()
        lives.emit(Life(pid=tgid(), code=0, took_ns=0, comm=comm()))


@tracepoint("sched:sched_process_exit")
def ends(ctx: TracepointContext) -> None:
    if tid() == tgid() and (begin := began.pop(tgid())):  # of several threads, the first
        took, code = ktime_get_ns() - begin, current_task().exit_code >> 8
        lives.emit(Life(pid=tgid(), code=code, took_ns=took, comm=comm()))


def show(session: Session) -> None:
    for life in rows(Life, session[lives]):
        end = f"ended after {life.took_ns / 1e6:.1f} ms with {life.code}"
        print(life.pid, life.comm, end if life.took_ns else "begins")


if __name__ == "__main__":
    run(begins, ends, follow=show, header="Tracing... Hit Ctrl-C to end.")
