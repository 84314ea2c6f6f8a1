"""A function that is compiled once and called."""

from pyebpf import Array, RawTracepointContext, noinline, raw_tracepoint, u64

out = Array[u64](max_entries=1)


@noinline
def mix(a: u64, b: u64) -> u64:
    a ^= a >> 33
    a = (a * 0xFF51AFD7ED558CCD + b) & 0xFFFFFFFFFFFFFFFF
    return a ^ a >> 33


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = mix(mix(ctx.args[0], 1), 2)
