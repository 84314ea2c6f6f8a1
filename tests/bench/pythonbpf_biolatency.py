"""The README's program with PythonBPF: ``python pythonbpf_biolatency.py``, beside a ``vmlinux.py``.

It says ``attached``, and after Ctrl-C prints its histogram. With ``compile 20`` it writes an object
file beside itself that often, and prints seconds. PythonBPF has no logarithm, no atomic addition,
and sees no constant of a module but those of ``vmlinux``.
"""

from __future__ import annotations

import sys
import time
from ctypes import c_int64, c_uint64

from pythonbpf import BPF, bpf, bpfglobal, compile, map, section  # noqa: A004
from pythonbpf.helper import ktime
from pythonbpf.maps import HashMap
from pythonbpf_object import show
from vmlinux import (
    DEVICE,
    struct_trace_event_raw_block_rq,
    struct_trace_event_raw_block_rq_completion,
)


@bpf
@map
def begun() -> HashMap:
    return HashMap(key=c_uint64, value=c_uint64, max_entries=10240)


@bpf
@map
def slots() -> HashMap:
    return HashMap(key=c_uint64, value=c_uint64, max_entries=64)


@bpf
@section("tracepoint/block/block_rq_issue")
def issue(ctx: struct_trace_event_raw_block_rq) -> c_int64:
    if ctx.dev == DEVICE:
        sector = ctx.sector
        now = ktime()
        begun.update(sector, now)
    return 0


@bpf
@section("tracepoint/block/block_rq_complete")
def complete(ctx: struct_trace_event_raw_block_rq_completion) -> c_int64:
    if ctx.dev == DEVICE:
        sector = ctx.sector
        before = begun.lookup(sector)
        if before:
            usecs = (ktime() - before) // 1000
            slot = 0
            while usecs > 1:
                usecs >>= 1
                slot += 1
            count = 1
            seen = slots.lookup(slot)
            if seen:
                count = seen + 1
            slots.update(slot, count)
            begun.delete(sector)
    return 0


@bpf
@bpfglobal
def LICENSE() -> str:  # noqa: N802
    return "GPL"


if __name__ == "__main__":
    if sys.argv[1:2] == ["compile"]:
        for _ in range(int(sys.argv[2])):
            begin = time.perf_counter()
            compile()
            print(time.perf_counter() - begin)
    else:
        show(BPF())
