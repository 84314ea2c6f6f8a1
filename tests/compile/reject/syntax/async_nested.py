from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    async def inner() -> None:
        await wait()
