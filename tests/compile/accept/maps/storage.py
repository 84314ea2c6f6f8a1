from pyebpf import *
from pyebpf.kernel import task_struct


@record
class State:
    calls: u64
    last: u64


calls = TaskStorage[u64]()
states = TaskStorage[State]()
out = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe() -> None:
    task = current_task()
    calls[task] += 1
    out[0] = calls.get(task, 0)
    out[1] = calls.setdefault(task.group_leader, 7)
    state = states.get(task, create=True)
    if state is not None:
        state.calls += 1
        state.last = ktime_get_ns()
    states[task] = State(calls=5)
    if task in states:
        out[2] = calls.fetch_add(task, 2)
    if (gone := calls.pop(task)) is not None:
        out[3] = gone
    del states[task]


@tp_btf("task_rename")
def renamed(task: Ptr[task_struct]) -> None:
    calls[task] |= 1
