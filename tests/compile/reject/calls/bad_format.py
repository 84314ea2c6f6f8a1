from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(f"{tgid():q}")
    print(f"{comm():d}")
    print(f"{1:zz}")
