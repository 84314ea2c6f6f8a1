"""How far from init a process is."""

from pyebpf import Array, current_task, raw_tracepoint, u64

depth = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe() -> None:
    task = current_task()
    steps = 0
    while task.tgid > 1 and steps < 32:
        task = task.real_parent
        steps += 1
    depth[0] = steps
