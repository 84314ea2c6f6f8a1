"""Names of the process, its parent and its grandparent."""

from pyebpf import Array, Char, chars, current_task, raw_tracepoint, record, u32


@record
class Family:
    pid: u32
    own: Char = chars(16)
    parent: Char = chars(16)
    grandparent: Char = chars(16)


families = Array[Family](max_entries=1)


@raw_tracepoint("sys_enter")
def probe() -> None:
    task = current_task()
    parent = task.real_parent
    families[0] = Family(
        pid=task.tgid,
        own=task.comm,
        parent=parent.comm,
        grandparent=parent.real_parent.comm,
    )
