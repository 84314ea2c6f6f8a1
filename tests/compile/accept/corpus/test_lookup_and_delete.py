from pyebpf import *

wanted = Global[u32](0)
key = Global[u64](0)
value = Global[u64](0)
table = Hash[u64, u64](max_entries=2)


@tracepoint("syscalls:sys_enter_openat")
def store(ctx: TracepointContext) -> None:
    if wanted.value == tgid():
        table.setdefault(key.value, value.value)
