from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    width = cpu()
    print(f"{tgid():{width}}")
