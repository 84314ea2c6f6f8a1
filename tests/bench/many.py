"""A program at every function that a pattern matches: ``python -m tests.bench.many PATTERN``.

It says ``attached`` and how long attaching took, and after Ctrl-C prints how often it ran.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from pyebpf import Array, KprobeContext, kprobe, load, u64

counts = Array[u64](max_entries=1)


@kprobe(sys.argv[1] if len(sys.argv) > 1 else "vfs_read")
def counted(ctx: KprobeContext) -> None:
    counts[0] += 1


if __name__ == "__main__":
    with load(counted, attach=False) as session:
        begin = time.perf_counter()
        link = session.attach(counted)
        took = time.perf_counter() - begin
        with suppress(KeyboardInterrupt):  # it may come as soon as the line is out
            print(f"attached in {took:.6f} s", flush=True)
            session.sleep(600)
        begin = time.perf_counter()
        link.close()
        print(f"ran {session[counts][0]} times, detached in {time.perf_counter() - begin:.6f} s")
