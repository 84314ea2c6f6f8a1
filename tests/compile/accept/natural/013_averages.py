"""Number, sum, least and greatest of the sizes of reads, for each process."""

from pyebpf import Hash, RawTracepointContext, raw_tracepoint, record, tgid, u32, u64


@record
class Stats:
    count: u64
    total: u64
    least: u64
    greatest: u64


sizes = Hash[u32, Stats](max_entries=1_024)


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    size = ctx.args[1]
    stats = sizes.get(tgid())
    if stats is None:
        sizes[tgid()] = Stats(count=1, total=size, least=size, greatest=size)
        return
    stats.count += 1
    stats.total += size
    stats.least = min(stats.least, size)
    stats.greatest = max(stats.greatest, size)
