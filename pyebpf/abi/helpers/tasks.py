"""Helpers about the current thread, its process, its cgroup and its CPU."""

from __future__ import annotations

from pyebpf.abi.helpers.row import Helper

ROWS = (
    Helper("get_smp_processor_id", 8, "4.1", "", "u32", "most", "Return the number of the CPU that the program runs on."),
    Helper("get_current_pid_tgid", 14, "4.2", "", "u64", "most", "Return process and thread: `tgid << 32 | tid`."),
    Helper("get_current_uid_gid", 15, "4.2", "", "u64", "most", "Return group and user: `gid << 32 | uid`."),
    Helper("get_current_comm", 16, "4.2", "buf: uninit_mem, size_of_buf: size", "errno", "most", "Store the name of the current thread, NUL-terminated."),
    Helper("get_cgroup_classid", 17, "4.3", "skb: ctx", "u32", "most", "Return the class of the `net_cls` controller (cgroup version 1); the program's own thread in a cgroup program."),
    Helper("get_current_task", 35, "4.8", "", "u64", "most", "Return the address of the current `task_struct` as a number.", gpl=True),
    Helper("current_task_under_cgroup", 37, "4.9", "map: map, index: u32", "i64", "most", "Tell whether the current thread is in a cgroup of a `cgroup_array`, or below it: 1 or 0."),
    Helper("get_numa_node_id", 42, "4.10", "", "i64", "most", "Return the NUMA node of the CPU that the program runs on."),
    Helper("get_current_cgroup_id", 80, "4.18", "", "u64", "most", "Return the id of the current thread's cgroup (version 2)."),
    Helper("send_signal", 109, "5.3", "sig: u32", "errno", "most", "Send a signal to the current process; any of its threads may get it."),
    Helper("send_signal_thread", 117, "5.6", "sig: u32", "errno", "most", "Send a signal to the current thread."),
    Helper("get_ns_current_pid_tgid", 120, "5.7", "dev: u64, ino: u64, nsdata: uninit_mem[bpf_pidns_info], size: size", "errno", "most", "Store process and thread as numbered in the pid namespace that `dev` and `ino` name."),
    Helper("get_current_ancestor_cgroup_id", 123, "5.7", "ancestor_level: i32", "u64", "most", "Return the id of the cgroup above the current thread's at a level; the root is level 0."),
    Helper("get_current_task_btf", 158, "5.11", "", "btf[task_struct]", "most", "Return the current `task_struct` as a pointer that the verifier trusts.", gpl=True),
    Helper("task_pt_regs", 175, "5.15", "task: btf[task_struct]", "btf[pt_regs]", "most", "Return the registers that a thread had when it entered the kernel.", gpl=True),
    Helper("find_vma", 180, "5.17", "task: btf[task_struct], addr: u64, callback_fn: func, callback_ctx: stack_or_null, flags: flags", "errno", "most", "Find the part of a thread's memory map that holds an address, and call a function with it.", callback="task: btf[task_struct], vma: btf[vm_area_struct], ctx: stack_or_null -> i64"),
)  # fmt: skip
