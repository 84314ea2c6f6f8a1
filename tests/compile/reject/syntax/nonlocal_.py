from pyebpf import *


def make() -> Probe:
    total = 0

    @raw_tracepoint("sys_enter")
    def probe() -> None:
        nonlocal total
        total += 1

    return probe


probe = make()
