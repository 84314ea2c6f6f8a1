from pyebpf import *

expected = Global[u64](0)
found = Global[u64](0)


@tracepoint("syscalls:sys_enter_openat")
def trace(ctx: TracepointContext) -> None:
    if expected.value == tid():
        found.value = cgroup_id()
