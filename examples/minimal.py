"""Say which programs are started: the least there is to a tracing program.

$ sudo python examples/minimal.py               # -p PID: one process only; Ctrl-C ends it
4242 runs /usr/bin/ls
4243 runs /usr/bin/git
"""

from pyebpf import Const, TracepointContext, tgid, tracepoint
from pyebpf.cli import run

pid = Const(0, "-p", "--pid", help="only this process")


@tracepoint("sched:sched_process_exec")
def started(ctx: TracepointContext) -> None:
    if pid in (0, tgid()):
        print(f"{tgid()} runs {ctx.filename}")


if __name__ == "__main__":
    run(started, header="Tracing... Hit Ctrl-C to end.")
