"""Which signals a process is sent, by number and error."""

from pyebpf import Const, Hash, TracepointContext, i32, tracepoint, u64

target_pid = Const(0, "-p", "--pid")
signals = Hash[tuple[i32, i32], u64](max_entries=256)


@tracepoint("signal:signal_generate")
def probe(ctx: TracepointContext) -> None:
    if ctx.pid != target_pid:
        return
    signals[ctx.sig, ctx.result] += 1
