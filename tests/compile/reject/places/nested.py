from pyebpf import *


def make(limit: int) -> Probe:
    @raw_tracepoint("sys_enter")
    def probe() -> None:
        print(limit, limitt)

    return probe


probe = make(3)
