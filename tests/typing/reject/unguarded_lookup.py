"""The verifier's most frequent refusal, found before anything is compiled."""

from pyebpf import Hash, Log2Hist, Ptr, ktime_get_ns, tp_btf, u64
from pyebpf.kernel import request

started = Hash[Ptr[request], u64](max_entries=10_240)
latency = Log2Hist(unit="us")


@tp_btf("block_rq_complete")
def complete(rq: Ptr[request]) -> None:
    begin = started.pop(rq)
    latency.add(ktime_get_ns() - begin)  # refused: operator, reportOperatorIssue
    latency.add(started.get(rq))  # refused: arg-type, reportArgumentType
    _ = started.pop(rq) + 1  # refused: operator, reportOptionalOperand
