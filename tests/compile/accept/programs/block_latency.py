from pyebpf import *
from pyebpf.kernel import request

started = Hash[Ptr[request], u64](max_entries=10_240)
latency = Log2Hist(unit="us")


@tp_btf("block_rq_issue")
def issue(rq: Ptr[request]) -> None:
    started[rq] = ktime_get_ns()


@tp_btf("block_rq_complete")
def complete(rq: Ptr[request], error: i32, nr_bytes: u32) -> None:
    begin = started.pop(rq)
    if begin is not None:
        latency.add((ktime_get_ns() - begin) // 1_000)
