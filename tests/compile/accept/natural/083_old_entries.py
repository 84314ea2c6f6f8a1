"""Forget what is older than a second."""

from pyebpf import Global, Hash, RawTracepointContext, raw_tracepoint, u32, u64

MAX_AGE = 1_000_000_000
last_seen = Hash[u32, u64](max_entries=64)
forgotten = Global[u64](0)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    now = ctx.args[0]
    for pid, time in last_seen.items():
        if now - time > MAX_AGE:
            del last_seen[pid]
            forgotten.value += 1
