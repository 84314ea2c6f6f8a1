"""System calls by PID namespace."""

from pyebpf import Hash, current_task, raw_tracepoint, u32, u64

by_namespace = Hash[u32, u64](max_entries=256)


@raw_tracepoint("sys_enter")
def probe() -> None:
    by_namespace[current_task().nsproxy.pid_ns_for_children.ns.inum] += 1
