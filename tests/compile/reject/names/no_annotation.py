from pyebpf import *
from pyebpf.kernel import request


@tp_btf("block_rq_issue")
def probe(rq) -> None:
    print(rq)
