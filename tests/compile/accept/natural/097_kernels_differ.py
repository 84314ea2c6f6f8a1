"""A field that was renamed, and one that is not everywhere."""

from pyebpf import Array, Ptr, current_task, has_field, raw_tracepoint, u32, u64
from pyebpf.kernel import task_struct

out = Array[u64](max_entries=2)


def state_of(task: Ptr[task_struct]) -> u32:
    if has_field(task_struct, "__state"):
        return task.__state
    return task.state


@raw_tracepoint("sys_enter")
def probe() -> None:
    task = current_task()
    out[0] = state_of(task) == 0
    if has_field(task_struct, "a_field_of_tomorrow"):
        out[1] = task.a_field_of_tomorrow
    else:
        out[1] = 7
