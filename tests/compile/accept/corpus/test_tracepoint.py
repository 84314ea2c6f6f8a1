from pyebpf import *


@tracepoint("sched:sched_switch")
def on_cpu(ctx: TracepointContext) -> None:
    pass
