"""Helpers that steer a program, and those of control points: sysctl, cgroup results, LSM, remote controls."""

from __future__ import annotations

from pyebpf.abi.helpers.row import Helper

ROWS = (
    Helper("get_prandom_u32", 7, "4.1", "", "u32", "all", "Return a pseudo-random number."),
    Helper("tail_call", 12, "4.2", "ctx: ctx, prog_array_map: map, index: u32", "void", "all", "Jump into a program of a `prog_array`; comes back only if there is none, or after 33 jumps."),
    Helper("rc_repeat", 77, "4.18", "ctx: ctx", "errno", "lirc_mode2", "Report that the last key of a remote control was repeated.", gpl=True),
    Helper("rc_keydown", 78, "4.18", "ctx: ctx, protocol: u32, scancode: u64, toggle: u32", "errno", "lirc_mode2", "Report a key of a remote control.", gpl=True),
    Helper("rc_pointer_rel", 92, "5.0", "ctx: ctx, rel_x: i32, rel_y: i32", "errno", "lirc_mode2", "Report a movement of a remote control's pointer.", gpl=True),
    Helper("spin_lock", 93, "5.1", "lock: spin_lock", "void", "most", "Take the lock in a map value; one at a time, and no calls while it is held."),
    Helper("spin_unlock", 94, "5.1", "lock: spin_lock", "void", "most", "Release the lock in a map value."),
    Helper("sysctl_get_name", 101, "5.2", "ctx: ctx, buf: rw_mem[char], buf_len: size, flags: flags", "length", "cgroup_sysctl", "Store the name of the sysctl that is being read or written."),
    Helper("sysctl_get_current_value", 102, "5.2", "ctx: ctx, buf: uninit_mem[char], buf_len: size", "length", "cgroup_sysctl", "Store the present value of a sysctl, as text."),
    Helper("sysctl_get_new_value", 103, "5.2", "ctx: ctx, buf: uninit_mem[char], buf_len: size", "length", "cgroup_sysctl", "Store the value that is being written to a sysctl, as text."),
    Helper("sysctl_set_new_value", 104, "5.2", "ctx: ctx, buf: mem[char], buf_len: size", "errno", "cgroup_sysctl", "Replace the value that is being written to a sysctl."),
    Helper("bprm_opts_set", 159, "5.11", "bprm: btf[linux_binprm], flags: flags", "errno", "lsm", "Set options of a program that is about to be executed, such as secure mode."),
    Helper("ima_inode_hash", 161, "5.11", "inode: btf[inode], dst: uninit_mem, size: size", "i64", "lsm", "Store the hash of a file's contents that IMA has; gives the algorithm.", sleeps=True),
    Helper("sys_bpf", 166, "5.14", "cmd: u32, attr: mem, attr_size: size", "i64", "syscall", "Make a `bpf()` system call from a program.", sleeps=True),
    Helper("btf_find_by_name_kind", 167, "5.14", "name: mem[char], name_sz: size, kind: u32, flags: i32", "i64", "syscall", "Find a kernel type by name and kind; gives its id, and the descriptor of a module's types in the upper half.", sleeps=True),
    Helper("sys_close", 168, "5.14", "fd: u32", "errno", "syscall", "Close a file descriptor of the process that runs the program.", sleeps=True),
    Helper("kallsyms_lookup_name", 179, "5.16", "name: mem[char], name_sz: size_or_zero, flags: i32, res: uninit_fixed[u64]", "errno", "syscall", "Store the address of a kernel symbol."),
    Helper("loop", 181, "5.17", "nr_loops: u32, callback_fn: func, callback_ctx: stack_or_null, flags: flags", "i64", "most", "Call a function up to a number of times, until it returns 1; gives how often it was called.", callback="index: u32, ctx: stack_or_null -> i64"),
    Helper("get_retval", 186, "5.18", "", "i32", "cgroup_device cgroup_skb cgroup_sock cgroup_sock_addr cgroup_sockopt cgroup_sysctl lsm sock_ops", "Return what the system call will return, as the cgroup's earlier programs left it."),
    Helper("set_retval", 187, "5.18", "retval: i32", "errno", "cgroup_device cgroup_skb cgroup_sock cgroup_sock_addr cgroup_sockopt cgroup_sysctl lsm sock_ops", "Choose what the system call will return."),
    Helper("ima_file_hash", 193, "5.18", "file: btf[file], dst: uninit_mem, size: size", "i64", "lsm", "Store the hash of a file's contents, computing it if needed; gives the algorithm.", sleeps=True),
)  # fmt: skip
