from pyebpf import *


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    print(ctx.common_pid)
