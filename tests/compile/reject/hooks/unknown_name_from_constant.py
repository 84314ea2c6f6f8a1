from pyebpf import *

WHERE = "sched_swich"


@tp_btf(WHERE)
def probe() -> None:
    pass
