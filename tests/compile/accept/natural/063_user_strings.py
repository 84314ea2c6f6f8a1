"""Strings of the traced process."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, read_user_str, u64

out = Array[u64](max_entries=3)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    path = read_user_str(ctx.args[0], 64)
    if path == "/etc/passwd":
        out[0] += 1
    if path.startswith("/etc/"):
        out[1] += 1
    out[2] = len(path)
