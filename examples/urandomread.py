"""Print who takes random numbers from the kernel, and how many, after BCC's urandomread.

sudo python examples/urandomread.py            # Ctrl-C ends it
sudo python examples/urandomread.py -p 1234    # process 1234 only

The tracepoint that BCC looks at, random:urandom_read, is gone since Linux 5.18. This looks at the
end of getrandom(2), by which programs take them today; who reads /dev/urandom is not seen.
"""

from pyebpf import Const, TracepointContext, comm, ktime_get_ns, tgid, tracepoint
from pyebpf.cli import run

pid = Const(0, "-p", "--pid", help="only this process")


@tracepoint("syscalls:sys_exit_getrandom")
def taken(ctx: TracepointContext) -> None:
    if ctx.ret > 0 and pid in (0, tgid()):
        now = ktime_get_ns()
        seconds, us = now // 1_000_000_000, now // 1_000 % 1_000_000
        print(f"{seconds:>11}.{us:06} {comm():<16} {tgid():<7} {ctx.ret * 8}")


if __name__ == "__main__":
    run(taken, header=f"{'TIME(s)':<18} {'COMM':<16} {'PID':<7} GOTBITS")
