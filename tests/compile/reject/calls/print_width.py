from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    width = cpu()
    print(f"{tgid():{comm()}}")
    print(f"{tgid():{width:x}}")
    print(f"{tgid():.{width}}")
    print(f"{3:{width}}")
