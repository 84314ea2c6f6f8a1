"""Print each query that a MySQL server begins with, after BCC's mysqld_query.

sudo python examples/mysqld_query.py $(pgrep -x mysqld)     # Ctrl-C ends it

The server has to have probes (USDT): MySQL up to 5.7, built with -DENABLE_DTRACE=1. MySQL 8 has
none any more.
"""

from pyebpf import Const, UprobeContext, UserPtr, comm, ktime_get_ns, read_user_str, tgid, u8, usdt
from pyebpf.cli import run

pid = Const(0, "pid", help="the server")


@usdt("mysqld", "mysql:query__start", pid=pid)
def begins(ctx: UprobeContext, query: UserPtr[u8]) -> None:
    now = ktime_get_ns()
    seconds, us = now // 1_000_000_000, now // 1_000 % 1_000_000
    print(f"{seconds:>11}.{us:06} {comm():<16} {tgid():<7} {read_user_str(query, 256)}")


if __name__ == "__main__":
    run(begins, header=f"{'TIME(s)':<18} {'COMM':<16} {'PID':<7} QUERY")
