from pyebpf import *


@tracepoint("sched:sched_process_exec")
def probe(ctx: TracepointContext) -> None:
    print(ctx.filename)
