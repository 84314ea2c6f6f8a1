"""Helpers about what is traced: stacks, counters, arguments, branches."""

from __future__ import annotations

from pyebpf.abi.helpers.row import Helper

ROWS = (
    Helper("perf_event_read", 22, "4.3", "map: map, flags: flags", "u64", "most", "Read a hardware counter; an error looks like a large number, so prefer `perf_event_read_value`.", gpl=True),
    Helper("get_stackid", 27, "4.6", "ctx: ctx, map: map, flags: flags", "i64", "probes", "Store the current call stack in a `stack_trace` map; gives its id.", gpl=True),
    Helper("perf_event_read_value", 55, "4.15", "map: map, flags: flags, buf: uninit_mem[bpf_perf_event_value], buf_size: size", "errno", "most", "Read a hardware counter, with the times that it was enabled and running.", gpl=True),
    Helper("perf_prog_read_value", 56, "4.15", "ctx: ctx, buf: uninit_mem[bpf_perf_event_value], buf_size: size", "errno", "perf_event", "Read the counter that this program is attached to, with its times.", gpl=True),
    Helper("override_return", 58, "4.16", "regs: ctx, rc: u64", "errno", "kprobe", "Make the probed kernel function return at once with a value; for functions that allow error injection.", gpl=True),
    Helper("get_stack", 67, "4.18", "ctx: ctx, buf: uninit_mem, size: size_or_zero, flags: flags", "length", "probes", "Store the current call stack in memory; gives the bytes stored.", gpl=True),
    Helper("read_branch_records", 119, "5.7", "ctx: ctx, buf: rw_mem_or_null, size: size_or_zero, flags: flags", "length", "perf_event", "Store the branch records that came with a perf event.", gpl=True),
    Helper("get_task_stack", 141, "5.9", "task: btf[task_struct], buf: uninit_mem, size: size_or_zero, flags: flags", "length", "most", "Store a thread's call stack in memory; gives the bytes stored."),
    Helper("get_func_ip", 173, "5.15", "ctx: ctx", "u64", "probes", "Return the address of the function that the program is attached to.", gpl=True),
    Helper("get_attach_cookie", 174, "5.15", "ctx: ctx", "u64", "probes", "Return the number that was given when the program was attached."),
    Helper("get_branch_snapshot", 176, "5.16", "entries: uninit_mem, size: size_or_zero, flags: flags", "length", "most", "Store the last branches of this CPU, where the hardware records them.", gpl=True),
    Helper("get_func_arg", 183, "5.17", "ctx: ctx, n: u32, value: uninit_fixed[u64]", "errno", "typed", "Store an argument of the traced function, by its position."),
    Helper("get_func_ret", 184, "5.17", "ctx: ctx, value: uninit_fixed[u64]", "errno", "typed", "Store what the traced function returned; for programs at its end."),
    Helper("get_func_arg_cnt", 185, "5.17", "ctx: ctx", "i64", "typed", "Return how many arguments the traced function has."),
)  # fmt: skip
