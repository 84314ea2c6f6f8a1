from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    def inner() -> int:
        return 1

    print(inner())
