from pyebpf import *


@tracepoint("sched:sched_switch")
def probe(ctx: RawTracepointContext) -> None:
    pass
