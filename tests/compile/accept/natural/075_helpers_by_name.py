"""Helpers of the kernel by their own names."""

from pyebpf import Array, cgroup_id, helpers, raw_tracepoint, tgid, u64

out = Array[u64](max_entries=3)


@raw_tracepoint("sys_enter")
def probe() -> None:
    out[0] = helpers.get_current_cgroup_id() == cgroup_id()
    out[1] = helpers.get_current_pid_tgid() >> 32 == tgid()
    out[2] = helpers.get_current_ancestor_cgroup_id(0)
