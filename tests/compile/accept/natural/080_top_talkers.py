"""Bytes by file descriptor; the least recently used make room."""

from pyebpf import LruHash, RawTracepointContext, raw_tracepoint, record, tgid, u32, u64


@record
class Descriptor:
    pid: u32
    fd: u32


written = LruHash[Descriptor, u64](max_entries=1_000)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    key = Descriptor(pid=tgid(), fd=ctx.args[0])
    written[key] += ctx.args[1]
