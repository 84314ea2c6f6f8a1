from pyebpf import *


def one(n: u64) -> u64:
    return n


def pair() -> tuple[u64, u64]:
    return 1, 2


@raw_tracepoint("sys_enter")
def probe() -> None:
    one(*tgid())
    one(*(1, 2))
    one(**tgid())
    one(*pair())
