"""Pythagorean triples below a limit that comes with the event."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

found = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    limit = min(ctx.args[0], 30)
    for a in range(1, limit):
        for b in range(a, limit):
            square = a * a + b * b
            if square >= limit * limit:
                break
            for c in range(b, limit):
                if c * c == square:
                    found[0] += 1
