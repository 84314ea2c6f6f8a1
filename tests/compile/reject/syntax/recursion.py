from pyebpf import *


def depth(n: u64) -> u64:
    return depth(n - 1) if n else 0


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(depth(3))
