"""The first program of the README, kept to one disk: ``python -m tests.bench.contract DEVICE``.

It says ``attached``, and after Ctrl-C prints its histogram.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from pyebpf import Const, Hash, Log2Hist, Ptr, i32, ktime_get_ns, load, tp_btf, u32, u64
from pyebpf.kernel import request
from pyebpf.lib.block import disk_dev

device = Const(0, "-d", help="trace this device only")
started = Hash[Ptr[request], u64](max_entries=10_240)
latency = Log2Hist(unit="us")


@tp_btf("block_rq_issue")
def issue(rq: Ptr[request]) -> None:
    if device and disk_dev(rq) != device:
        return
    started[rq] = ktime_get_ns()


@tp_btf("block_rq_complete")
def complete(rq: Ptr[request], error: i32, nr_bytes: u32) -> None:
    begin = started.pop(rq)
    if begin is not None:
        latency.add((ktime_get_ns() - begin) // 1_000)


if __name__ == "__main__":
    with load(issue, complete, options={device: int(sys.argv[1])}) as session:
        print("attached", flush=True)
        with suppress(KeyboardInterrupt):
            session.sleep(600)
        print(session[latency])
