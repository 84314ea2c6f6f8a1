from pyebpf import *

WITHOUT = {"helper:get_current_task_btf"}

out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe() -> None:
    out[0] = current_task().real_parent.tgid
