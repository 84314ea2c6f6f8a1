"""Send fields from the kernel, not text to take apart again, after BCC's trace_fields.

sudo python examples/trace_fields.py         # processes and threads that anybody makes
sudo python examples/trace_fields.py 1234    # those that process 1234 makes
"""

import sys
from contextlib import suppress

from pyebpf import (
    Char,
    Const,
    Events,
    TracepointContext,
    chars,
    comm,
    load,
    record,
    tgid,
    tracepoint,
    u32,
)

pid = Const(0)


@record
class Cloned:
    pid: u32
    child: u32
    comm: Char = chars(16)


events = Events[Cloned]()


@tracepoint("sched:sched_process_fork")
def hello(ctx: TracepointContext) -> None:
    if not pid or tgid() == pid:
        events.emit(Cloned(pid=tgid(), child=ctx.child_pid, comm=comm()))


with suppress(KeyboardInterrupt), load(hello, options={pid: int([*sys.argv, "0"][1])}) as session:
    print("PID MESSAGE", flush=True)
    for batch in session[events]:  # a numpy array with the fields pid, child and comm
        for event in batch:
            print(event["pid"], f"Hello, {event['child']}!", flush=True)
