from pyebpf import *


@record
class Job:
    pid: u32
    size: u64


waiting = Queue[u64](max_entries=64)
jobs = Stack[Job](max_entries=64)
seen = BloomFilter[u32](max_entries=1_000, hashes=3)
out = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    waiting.push(ktime_get_ns())
    waiting.push(7, replace=True)
    if (first := waiting.pop()) is not None:
        out[0] = first
    if waiting.peek() is None:
        out[1] = 1
    jobs.push(Job(pid=tgid(), size=3))
    job = jobs.pop()
    if job is not None:
        job.size += 1
        out[2] = job.size + job.pid
    if tgid() not in seen:
        seen.add(tgid())
