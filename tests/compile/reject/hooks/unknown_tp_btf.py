from pyebpf import *


@tp_btf("block_rq_isue")
def probe() -> None:
    pass
