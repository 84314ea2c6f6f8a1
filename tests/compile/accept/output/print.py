from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(f"{comm()!r:>20} {tgid():5} {tgid() > 3}", "x", sep="-", end="")
