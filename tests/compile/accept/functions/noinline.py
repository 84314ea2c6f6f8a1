from pyebpf import *

counts = Hash[u32, u64](max_entries=16)


@noinline
def halved(n: u64, least: u64 = 1) -> u64:
    while n > least:
        n //= 2
    return n


@noinline
def note(key: u32, by: i64) -> None:
    counts[key] += 100 // by


@noinline
def first(ctx: RawTracepointContext) -> bool:
    return ctx.args[0] == 1


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    if first(ctx):
        note(1, halved(ctx.args[1]))
    note(2, halved(ctx.args[1], least=7))
