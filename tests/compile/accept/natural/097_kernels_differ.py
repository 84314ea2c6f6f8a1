"""A field that was renamed, and one that is not everywhere."""

from pyebpf import Array, current_task, has_field, raw_tracepoint, u64
from pyebpf.kernel import task_struct

out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe() -> None:
    task = current_task()
    state = task.__state if has_field(task_struct, "__state") else task.state
    out[0] = state == 0
    if has_field(task_struct, "a_field_of_tomorrow"):
        out[1] = task.a_field_of_tomorrow
    else:
        out[1] = 7
