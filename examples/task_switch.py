"""Count for a second which thread gave the CPU to which, after BCC's task_switch.

sudo python examples/task_switch.py         # all threads
sudo python examples/task_switch.py 1234    # to and from thread 1234
"""

import sys

from pyebpf import Const, Hash, TracepointContext, load, tracepoint, u32, u64

tid = Const(0)
switches = Hash[tuple[u32, u32], u64](max_entries=10_240)


@tracepoint("sched:sched_switch")
def switch(ctx: TracepointContext) -> None:
    if not tid or tid in (ctx.prev_pid, ctx.next_pid):
        switches[ctx.prev_pid, ctx.next_pid] += 1


with load(switch, options={tid: int([*sys.argv, "0"][1])}) as session:
    session.sleep(1)
    session.detach()
    for (before, after), count in session[switches].items():
        print(f"task_switch[{before:5}->{after:5}]={count}")
