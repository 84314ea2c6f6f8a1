from pyebpf import *

cells = Array[u64](max_entries=4)


def both(n: u64) -> tuple[u64, u64]:
    return n, n + 1


def of_two_forms(n: u64) -> tuple[u64, ...]:
    if n > 3:
        return n, n + 1
    return n, n + 1, 3


def now_and_then(n: u64) -> tuple[u64, u64] | None:
    if n > 3:
        return n, n + 1
    return None


def then_and_now(n: u64) -> tuple[u64, u64] | int:
    if n > 3:
        return 5
    return n, n + 1


def at_times(n: u64) -> tuple[u64, u64]:
    if n > 3:
        return n, n + 1


@noinline
def called(n: u64) -> tuple[u64, u64]:
    return n, n + 1


@raw_tracepoint("sys_enter")
def probe() -> None:
    a, b, c = both(tgid())
    cells[0] = both(tgid())
    d = (1, 2) if tgid() else (3, 4)
    of_two_forms(tgid())
    now_and_then(tgid())
    then_and_now(tgid())
    at_times(tgid())
    called(tgid())
