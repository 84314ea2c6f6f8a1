"""Constants of the standard library."""

import os
import signal
import socket
import stat

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

out = Array[u64](max_entries=5)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n = ctx.args[0]
    if n == signal.SIGKILL:
        out[0] += 1
    if n & os.O_CLOEXEC:
        out[1] += 1
    if n == socket.AF_INET6:
        out[2] += 1
    if n & stat.S_ISUID:
        out[3] += 1
    out[4] = signal.SIGTERM
