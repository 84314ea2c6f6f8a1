from pyebpf import *

expected = Array[i32](max_entries=1)
results = Array[i32](max_entries=1)


@tracepoint("syscalls:sys_enter_openat")
def entered(ctx: TracepointContext) -> None:
    if expected[0] == tgid():
        results[0] = current_task().tgid
