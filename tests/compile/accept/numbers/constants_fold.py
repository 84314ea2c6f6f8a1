import enum

from pyebpf import *

LIMIT = 1 << 20


class Kind(enum.IntEnum):
    READ = 1


out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe() -> None:
    out[0] = LIMIT // 3 + Kind.READ * 2 + len("abc")
    if LIMIT < 5:
        out[1] = 1
