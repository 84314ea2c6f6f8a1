"""Events in each second, and the rest; quotient and remainder in one step."""

from pyebpf import Hash, RawTracepointContext, raw_tracepoint, u64

SECOND = 1_000_000_000
per_second = Hash[u64, u64](max_entries=3_600)
latest = Hash[u64, u64](max_entries=3_600)


def split(time: u64) -> tuple[u64, u64]:
    return time // SECOND, time % SECOND


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    second, rest = split(ctx.args[0])
    per_second[second] += 1
    if rest > latest.get(second, 0):
        latest[second] = rest
