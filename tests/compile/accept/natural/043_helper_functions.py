"""Plain functions with defaults and keywords."""

from pyebpf import Hash, RawTracepointContext, raw_tracepoint, u64

table = Hash[u64, u64](max_entries=64)


def scaled(value: u64, *, factor: u64 = 2, offset: u64 = 0) -> u64:
    return value * factor + offset


def store(key: u64, value: u64 = 7) -> None:
    if key == 0:
        return
    table[key] = value


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n = ctx.args[0]
    store(1)
    store(2, scaled(n))
    store(key=3, value=scaled(n, offset=1, factor=10))
    store(0)
