from pyebpf import *
from pyebpf.kernel import request

out = Array[u64](max_entries=2)


@tp_btf("block_rq_issue")
def probe(rq: Ptr[request]) -> None:
    out[0] = rq.q.disk.major << 20 | rq.q.disk.first_minor
