from pyebpf import *


@raw_tracepoint("sys_enter")
async def probe() -> None:
    print(1)
