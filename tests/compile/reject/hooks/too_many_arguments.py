from pyebpf import *
from pyebpf.kernel import request


@tp_btf("block_rq_issue")
def probe(rq: Ptr[request], error: i32) -> None:
    pass
