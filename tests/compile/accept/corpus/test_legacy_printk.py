from pyebpf import *

pids = Array[i32](max_entries=1)
results = Array[i32](max_entries=1)
pid = Global[u32](0)
result = Global[u32](0)


@tracepoint("syscalls:sys_enter_openat")
def with_maps(ctx: TracepointContext) -> None:
    if tgid() != pids[0]:
        return
    if results[0] == 0:
        print(f"with maps, pid {tgid()}")
    results[0] = 1


@tracepoint("syscalls:sys_enter_openat")
def with_globals(ctx: TracepointContext) -> None:
    if tgid() != pid.value:
        return
    if result.value == 0:
        print(f"with globals, pid {tgid()}")
    result.value = 1
