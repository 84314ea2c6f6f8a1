"""Count failed system calls by error."""

from pyebpf import Hash, RawTracepointContext, i32, i64, raw_tracepoint, u64

errors = Hash[i32, u64](max_entries=256)


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    ret: i64 = ctx.args[1]
    if -4096 < ret < 0:
        errors[-ret] += 1
