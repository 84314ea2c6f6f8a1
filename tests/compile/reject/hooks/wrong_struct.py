from pyebpf import *
from pyebpf.kernel import request_queue


@tp_btf("block_rq_issue")
def probe(rq: Ptr[request_queue]) -> None:
    pass
