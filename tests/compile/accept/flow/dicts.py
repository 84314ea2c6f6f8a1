"""Constant dicts: looked up by constants and by variables, searched, looped over."""

from pyebpf import *

CALLS = {"read": 0, "write": 1, "openat": 257}
NAMES = {0: "read", 1: "write", 257: "openat"}
WEIGHTS = {"sh": -1, "bash": 1 << 40}
ON = {1: True, 2: False}
out = Array[i64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    nr = ctx.args[1]
    if nr == CALLS["openat"] or nr in CALLS.values() or nr in NAMES:
        out[0] = len(CALLS)
    name = NAMES[nr]
    print(name, NAMES.get(nr, "another"), sep=",")
    out[1] = WEIGHTS.get(comm(), 7) + ON[nr]
    for key, value in CALLS.items():
        if value == nr:
            print(key)
    if (weight := WEIGHTS.get(comm())) is not None:
        out[2] = weight
