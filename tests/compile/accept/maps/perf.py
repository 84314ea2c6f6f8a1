from pyebpf import *


@record
class Sent:
    pid: u32
    number: u64


sent = PerfEventArray[Sent](pages=4)
cycles = PerfEventArray(preserve_elems=True)
groups = CgroupArray(max_entries=4)
out = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    sent.emit(Sent(pid=tgid(), number=5))
    now = cycles.read()
    if now is not None:
        out[0] = now.counter + now.running
    if groups.has_current(1):
        out[1] += 1
