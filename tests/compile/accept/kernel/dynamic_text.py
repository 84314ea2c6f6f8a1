from pyebpf import *

out = Hash[u32, u64](max_entries=4)


@tracepoint("sched:sched_process_exec")
def probe(ctx: TracepointContext) -> None:
    print(ctx.filename, read_kernel_str(addressof(ctx.filename), 128))
