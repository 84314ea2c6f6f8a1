from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    match tgid():
        case 1:
            print("init")
