"""Numbers in formats that are not constant."""

from pyebpf import *


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    width = ctx.args[1]
    print(f"{tgid():>{width}x}", f"{comm():.{width}}")
