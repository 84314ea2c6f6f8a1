from pyebpf import *
from pyebpf.kernel import request


@tp_btf("block_rq_issue")
def probe(rq: Ptr[request]) -> None:
    print(rq.q.disc.major)
