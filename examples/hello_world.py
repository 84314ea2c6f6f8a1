"""Print a line whenever a process or thread is made, after BCC's hello_world.

sudo python examples/hello_world.py         # by anybody
sudo python examples/hello_world.py 1234    # by process 1234
"""

import sys
from contextlib import suppress

from pyebpf import Const, TracepointContext, load, tgid, tracepoint

pid = Const(0)


@tracepoint("sched:sched_process_fork")
def hello(ctx: TracepointContext) -> None:
    if not pid or tgid() == pid:
        print("Hello, World!")


with suppress(KeyboardInterrupt), load(hello, options={pid: int([*sys.argv, "0"][1])}) as session:
    print("Tracing... Hit Ctrl-C to end.", flush=True)
    session.sleep(float("inf"))
