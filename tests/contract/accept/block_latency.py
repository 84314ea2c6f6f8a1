from pyebpf import Hash, Log2Hist, Ptr, ktime_get_ns, load, tp_btf, u32, u64, i32
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

with load(issue, complete) as session:          # loaded, attached, owned by `session`
    session.sleep(10)
    print(session[latency])                     # stars in a terminal, a drawing in a notebook
    counts = session[latency].counts            # numpy, shape (64,)
