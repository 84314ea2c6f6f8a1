"""Spread keys over few slots with the FNV-1a hash."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u32, u64

OFFSET, PRIME = 0x811C9DC5, 0x01000193
slots = Array[u64](max_entries=16)


def fnv1a(value: u64) -> u32:
    result: u32 = OFFSET
    for i in range(8):
        result ^= value >> 8 * i & 0xFF
        result *= PRIME
    return result


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    slots[fnv1a(ctx.args[0]) % 16] += 1
