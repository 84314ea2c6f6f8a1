from pyebpf import *

points = Hash[u32, u64](max_entries=4)


@noinline
def of_text(text: Char) -> u64:
    return 1


@noinline
def six(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> u64:
    return a + b + c + d + e + f


@noinline
def maybe(key: u32) -> u64 | None:
    return points.get(key)


@noinline
def again(n: u64) -> u64:
    return again(n - 1) if n else 0


@noinline
def five_and_an_error(a: u64, b: u64, c: u64, d: u64, e: u64) -> u64:
    return a // b + c + d + e


@raw_tracepoint("sys_enter")
def probe() -> None:
    of_text(comm())
    six(tgid(), tgid(), tgid(), tgid(), tgid(), tgid())
    maybe(3)
    again(3)
    five_and_an_error(tgid(), tgid(), tgid(), tgid(), tgid())
