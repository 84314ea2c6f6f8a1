"""A hash from kernel pointers, a histogram, and a guarded lookup."""

from typing_extensions import assert_type

from pyebpf import Hash, Log2Hist, Ptr, i32, ktime_get_ns, load, tp_btf, u32, u64
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
        assert_type(begin, int)
        latency.add((ktime_get_ns() - begin) // 1_000)


def main() -> None:
    with load(issue, complete) as session:
        session.sleep(10)
        print(session[latency])
        print(session[latency].counts.sum())
