"""What a USDT probe cannot be given, and where its arguments are not to be had."""

from pyebpf import Hash, KprobeContext, TailCalls, UprobeContext, u64, usdt

counts = Hash[u64, u64](max_entries=64)


@usdt("app", "app:one")
def other_context(ctx: KprobeContext) -> None:
    counts[0] += 1


@usdt("app", "app:one")
def text(ctx: UprobeContext, name: str) -> None:
    counts[0] += 1


@usdt("app", "app:one")
def thirteen(
    ctx: UprobeContext, a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64, h: u64, i: u64, j: u64, k: u64,
    l: u64, m: u64,
) -> None:
    counts[0] += m


@usdt("app", "app:one")
def has_arguments(ctx: UprobeContext, number: u64) -> None:
    counts[0] += number


steps = TailCalls(has_arguments)


@usdt("app", "app:one")
def goes_on(ctx: UprobeContext) -> None:
    steps.call(0)
