from pyebpf import *

lock = object()


@raw_tracepoint("sys_enter")
def probe() -> None:
    with lock:
        print(1)
