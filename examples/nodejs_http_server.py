"""Print each request that an HTTP server in Node.js gets, after BCC's nodejs_http_server.

sudo python examples/nodejs_http_server.py $(pgrep -x node)     # Ctrl-C ends it

Node.js has to have probes (USDT): up to version 18, built with `./configure --with-dtrace`.
"""

from pyebpf import (
    Const,
    UprobeContext,
    UserPtr,
    comm,
    i32,
    ktime_get_ns,
    read_user_str,
    tgid,
    u8,
    u64,
    usdt,
)
from pyebpf.cli import run

pid = Const(0, "pid", help="the server")


@usdt("node", "node:http__server__request", pid=pid)
def requested(  # noqa: PLR0913, PLR0917 - what Node.js passes, by position
    ctx: UprobeContext,
    request: u64,
    connection: u64,
    remote: UserPtr[u8],
    port: i32,
    method: UserPtr[u8],
    url: UserPtr[u8],
) -> None:
    now = ktime_get_ns()
    seconds, us = now // 1_000_000_000, now // 1_000 % 1_000_000
    what = read_user_str(method, 16)
    print(f"{seconds:>11}.{us:06} {comm():<16} {tgid():<7} {what} {read_user_str(url, 128)}")


if __name__ == "__main__":
    run(requested, header=f"{'TIME(s)':<18} {'COMM':<16} {'PID':<7} REQUEST")
