"""Count what failed because a file was missing, because of permissions, and for other reasons."""

import errno

from pyebpf import Array, RawTracepointContext, i64, raw_tracepoint, u64

MISSING, DENIED, OTHER = range(3)
failed = Array[u64](max_entries=3)


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    ret: i64 = ctx.args[1]
    if ret >= 0:
        return
    if ret == -errno.ENOENT:
        failed[MISSING] += 1
    elif ret in (-errno.EACCES, -errno.EPERM):
        failed[DENIED] += 1
    else:
        failed[OTHER] += 1
