"""USDT probes: arguments of every kind, each read through a function that attaching replaces."""

from pyebpf import Hash, TailCalls, UprobeContext, UserPtr, i32, read_user_str, record, u8, u32, u64, usdt

counts = Hash[u64, u64](max_entries=64)


@record
class Pair:
    first: u32
    second: u32


@usdt("libc", "setjmp", pid=1)
def jumps(ctx: UprobeContext, env: UserPtr[u64], saves: i32) -> None:
    counts[ctx.ip] += env[1] + saves


@usdt("/usr/bin/app", "app:request", sleepable=True)
def request(ctx: UprobeContext, path: UserPtr[u8], unused: u64, pair: UserPtr[Pair], last: bool) -> None:
    if last and read_user_str(path, 16) == "/index":
        counts[pair.first] += 1


@usdt("app", "app:late")
def late(ctx: UprobeContext, first: u32, second: u32) -> None:
    if first > 5:
        counts[1] += second


@usdt("app", "app:*")
def plain(ctx: UprobeContext) -> None:
    counts[2] += 1


steps = TailCalls(plain)


@usdt("app", "app:late")
def goes_on(ctx: UprobeContext, first: u32) -> None:
    if first:
        steps.call(0)
