"""Print each block I/O request with its latency, after BCC's disksnoop.

sudo python examples/disksnoop.py           # all disks, until Ctrl-C
sudo python examples/disksnoop.py sda       # one disk
"""

import sys
from contextlib import suppress
from typing import Any

from pyebpf import Const, Events, Hash, Ptr, i32, ktime_get_ns, load, record, tp_btf, u32, u64
from pyebpf.host.disks import dev_of
from pyebpf.kernel import request
from pyebpf.lib.block import disk_dev, flag_words

only_dev = Const(0)
started = Hash[Ptr[request], u64](max_entries=10_240)


@record
class Done:
    ts_ns: u64
    latency_ns: u64
    flags: u32
    nr_bytes: u32


done = Events[Done]()


@tp_btf("block_rq_issue")
def on_issue(rq: Ptr[request]) -> None:
    if not only_dev or disk_dev(rq) == only_dev:
        started[rq] = ktime_get_ns()


@tp_btf("block_rq_complete")
def on_complete(rq: Ptr[request], error: i32, nr_bytes: u32) -> None:
    begin = started.pop(rq)
    if begin is not None:
        now = ktime_get_ns()
        done.emit(Done(ts_ns=now, latency_ns=now - begin, flags=rq.cmd_flags, nr_bytes=nr_bytes))


def letter(event: Any) -> str:
    if flag_words(int(event["flags"])).endswith("Write"):
        return "W"
    return "R" if event["nr_bytes"] else "M"


options = {only_dev: dev_of(sys.argv[1]) if len(sys.argv) > 1 else 0}
with suppress(KeyboardInterrupt), load(on_issue, on_complete, options=options) as session:
    print(f"{'TIME(s)':<18} {'T':<2} {'BYTES':<7} {'LAT(ms)':>8}", flush=True)
    for batch in session[done]:
        for event in batch:
            when, latency = event["ts_ns"] / 1e9, event["latency_ns"] / 1e6
            print(f"{when:<18.9f} {letter(event):<2} {event['nr_bytes']:<7} {latency:8.2f}")
        sys.stdout.flush()
