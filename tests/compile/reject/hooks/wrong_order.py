from pyebpf import *
from pyebpf.kernel import request


@tp_btf("block_rq_complete")
def probe(error: i32, rq: Ptr[request]) -> None:
    pass
