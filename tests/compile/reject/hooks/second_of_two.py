from pyebpf import *


@tp_btf("sched_switch")
@tp_btf("sched_swatch")
def probe() -> None:
    pass
