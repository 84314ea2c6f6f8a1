"""Helpers that read and write memory, compare text and handle dynptrs."""

from __future__ import annotations

from pyebpf.abi.helpers.row import Helper

ROWS = (
    Helper("probe_read", 4, "4.1", "dst: uninit_mem, size: size_or_zero, unsafe_ptr: kernel_addr", "errno", "probes", "Read memory that may be the kernel's or a process's; `probe_read_kernel` and `probe_read_user` are exact.", gpl=True),
    Helper("probe_write_user", 36, "4.8", "dst: user_addr, src: mem, len: size", "errno", "probes", "Write into the current process's memory; for experiments only.", gpl=True),
    Helper("probe_read_str", 45, "4.11", "dst: uninit_mem, size: size_or_zero, unsafe_ptr: kernel_addr", "length", "probes", "Read text up to its NUL from memory that may be the kernel's or a process's.", gpl=True),
    Helper("strtol", 105, "5.2", "buf: mem[char], buf_len: size, flags: flags, res: uninit_fixed[i64]", "length", "most", "Convert text to a signed number; the low bits of `flags` are the base, 0 to guess it."),
    Helper("strtoul", 106, "5.2", "buf: mem[char], buf_len: size, flags: flags, res: uninit_fixed[u64]", "length", "most", "Convert text to an unsigned number; the low bits of `flags` are the base, 0 to guess it."),
    Helper("probe_read_user", 112, "5.5", "dst: uninit_mem, size: size_or_zero, unsafe_ptr: user_addr", "errno", "most", "Read a process's memory; fails where it is not present.", gpl=True),
    Helper("probe_read_kernel", 113, "5.5", "dst: uninit_mem, size: size_or_zero, unsafe_ptr: kernel_addr", "errno", "most", "Read kernel memory; fails, and zeroes, where the address is bad.", gpl=True),
    Helper("probe_read_user_str", 114, "5.5", "dst: uninit_mem, size: size_or_zero, unsafe_ptr: user_addr", "length", "most", "Read text up to its NUL from a process's memory; gives its length with the NUL.", gpl=True),
    Helper("probe_read_kernel_str", 115, "5.5", "dst: uninit_mem, size: size_or_zero, unsafe_ptr: kernel_addr", "length", "most", "Read text up to its NUL from kernel memory; gives its length with the NUL.", gpl=True),
    Helper("d_path", 147, "5.10", "path: btf[path], buf: rw_mem[char], sz: size_or_zero", "length", "typed", "Store the full name of a path."),
    Helper("copy_from_user", 148, "5.10", "dst: uninit_mem, size: size_or_zero, user_ptr: user_addr", "errno", "most", "Read the current process's memory, waiting until it has been brought in.", sleeps=True),
    Helper("per_cpu_ptr", 153, "5.10", "percpu_ptr: percpu_btf, cpu: u32", "percpu_mem_or_null", "most", "Return a kernel variable as it is on some CPU; None if there is no such CPU."),
    Helper("this_cpu_ptr", 154, "5.10", "percpu_ptr: percpu_btf", "percpu_mem", "most", "Return a kernel variable as it is on this CPU."),
    Helper("strncmp", 182, "5.17", "s1: mem[char], s1_sz: size, s2: const_str", "i64", "most", "Compare memory with constant text: negative, 0 or positive."),
    Helper("copy_from_user_task", 191, "5.18", "dst: uninit_mem, size: size_or_zero, user_ptr: user_addr, tsk: btf[task_struct], flags: flags", "errno", "most", "Read another process's memory, waiting until it has been brought in.", gpl=True, sleeps=True),
    Helper("dynptr_from_mem", 197, "5.19", "data: uninit_mem, size: size_or_zero, flags: flags, ptr: uninit_dynptr", "errno", "most", "Make a dynptr of memory in a map value."),
    Helper("dynptr_read", 201, "5.19", "dst: uninit_mem, len: size_or_zero, src: dynptr, offset: u64, flags: flags", "errno", "most", "Copy out of what a dynptr refers to."),
    Helper("dynptr_write", 202, "5.19", "dst: dynptr, offset: u64, src: mem, len: size_or_zero, flags: flags", "errno", "most", "Copy into what a dynptr refers to."),
    Helper("dynptr_data", 203, "5.19", "ptr: dynptr, offset: u64, len: const_size", "mem_or_null", "most", "Return the memory behind a dynptr, if all of it lies in one piece."),
)  # fmt: skip
