from pyebpf import *
from pyebpf.kernel import request


@tp_btf("block_rq_complete")
def probe(rq: Ptr[request], error: u8, nr_bytes: u16) -> None:
    pass
