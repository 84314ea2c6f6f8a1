from pyebpf import *
from pyebpf.kernel import request


@tp_btf("block_rq_issue")
def probe(rq: Ptr[request]) -> None:
    if has_field(request, "q.disk"):
        print("yes")
