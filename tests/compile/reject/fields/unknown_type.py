from pyebpf import *
from pyebpf.kernel import requst


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(sizeof(requst))
