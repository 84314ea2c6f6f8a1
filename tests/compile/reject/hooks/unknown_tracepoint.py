from pyebpf import *


@tracepoint("sched:sched_swich")
def probe() -> None:
    pass
