"""Counters for reads and writes in one entry."""

from pyebpf import Hash, RawTracepointContext, raw_tracepoint, record, tgid, u32, u64


@record
class Traffic:
    calls: u64
    bytes: u64


@record
class Process:
    reads: Traffic
    writes: Traffic


processes = Hash[u32, Process](max_entries=1_024)


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    nr, size = ctx.args[0], ctx.args[1]
    if tgid() not in processes:
        processes[tgid()] = Process()
    process = processes.get(tgid())
    if process is None:
        return
    side = process.reads if nr == 0 else process.writes
    side.calls += 1
    side.bytes += size
