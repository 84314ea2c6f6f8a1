"""Files by the end of their names."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, read_user_str, u64

libraries = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    path = read_user_str(ctx.args[0], 128)
    if path.endswith(".so"):
        libraries[0] += 1
    elif path[:4] == "/tmp":
        libraries[1] += 1
