from pyebpf import Hash, TracepointContext, load, tracepoint, u32, u64

switches = Hash[tuple[u32, u32], u64](max_entries=10_240)

@tracepoint("sched:sched_switch")               # fields of the tracepoint, typed
def switch(ctx: TracepointContext) -> None:
    switches[ctx.prev_pid, ctx.next_pid] += 1   # a tuple is a struct key; += on a map is atomic

with load(switch) as session:
    session.sleep(10)
    pairs = dict(session[switches].items())
