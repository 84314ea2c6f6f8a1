from pyebpf import *


@tp_btf("block_rq_complete")
def probe(rq: Ptr, error: int) -> None:
    print(error)
