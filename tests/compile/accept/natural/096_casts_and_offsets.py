"""The kernel's own arithmetic of pointers."""

from pyebpf import Array, Ptr, cast, current_task, offsetof, raw_tracepoint, read_kernel, u32, u64
from pyebpf.kernel import task_struct

out = Array[u64](max_entries=3)


@raw_tracepoint("sys_enter")
def probe() -> None:
    task = current_task()
    address = cast(u64, task)
    out[0] = read_kernel(u32, address + offsetof(task_struct, "tgid"))
    out[1] = cast(Ptr[task_struct], address).tgid
    out[2] = task.tgid
