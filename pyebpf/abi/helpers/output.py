"""Helpers that bring data to user space: rings, perf buffers, the trace pipe, iterators' files, formatted text."""

from __future__ import annotations

from pyebpf.abi.helpers.row import Helper

ROWS = (
    Helper("trace_printk", 6, "4.1", "fmt: mem[char], fmt_size: size, arg1: u64, arg2: u64, arg3: u64", "length", "all", "Write a line with up to three numbers to the kernel's `trace_pipe`; for debugging only.", gpl=True),
    Helper("perf_event_output", 25, "4.4", "ctx: ctx, map: map, flags: flags, data: mem, size: size_or_zero", "errno", "probes tc lwt cgroup_device cgroup_skb cgroup_sock cgroup_sock_addr cgroup_sockopt cgroup_sysctl sk_lookup sk_msg sk_skb sock_ops socket_filter xdp", "Send bytes to the perf buffer of a CPU, `BPF_F_CURRENT_CPU` for this one.", gpl=True),
    Helper("skb_output", 111, "5.5", "ctx: btf[sk_buff], map: map, flags: flags, data: mem, size: size_or_zero", "errno", "typed", "Send bytes to a perf buffer from a typed program, and the beginning of a packet after them.", gpl=True),
    Helper("xdp_output", 121, "5.7", "ctx: btf[xdp_buff], map: map, flags: flags, data: mem, size: size_or_zero", "errno", "typed", "Send bytes to a perf buffer from a typed program, and the beginning of an XDP frame after them.", gpl=True),
    Helper("seq_printf", 126, "5.8", "m: btf[seq_file], fmt: mem[char], fmt_size: size, data: mem_or_null, data_len: size_or_zero", "errno", "typed", "Print into the file of an iterator, with numbers and strings from an array of `u64`.", gpl=True),
    Helper("seq_write", 127, "5.8", "m: btf[seq_file], data: mem, len: size_or_zero", "errno", "typed", "Write bytes into the file of an iterator.", gpl=True),
    Helper("ringbuf_output", 130, "5.8", "ringbuf: map, data: mem, size: size_or_zero, flags: flags", "errno", "most", "Copy bytes into a ring buffer as one record."),
    Helper("ringbuf_reserve", 131, "5.8", "ringbuf: map, size: const_size, flags: flags", "reserved_or_null", "most", "Reserve a record of a ring buffer, to be filled in place and then submitted or discarded."),
    Helper("ringbuf_submit", 132, "5.8", "data: reserved, flags: flags", "void", "most", "Give a reserved record to the reader."),
    Helper("ringbuf_discard", 133, "5.8", "data: reserved, flags: flags", "void", "most", "Throw a reserved record away."),
    Helper("ringbuf_query", 134, "5.8", "ringbuf: map, flags: flags", "u64", "most", "Return a number about a ring buffer: what is unread, its size, or one of its positions."),
    Helper("snprintf_btf", 149, "5.10", "str: rw_mem[char], str_size: size, ptr: mem[btf_ptr], btf_ptr_size: size, flags: flags", "length", "most", "Format a kernel object into memory, laid out by its type."),
    Helper("seq_printf_btf", 150, "5.10", "m: btf[seq_file], ptr: mem[btf_ptr], ptr_size: size_or_zero, flags: flags", "errno", "typed", "Print a kernel object into the file of an iterator, laid out by its type.", gpl=True),
    Helper("snprintf", 165, "5.13", "str: rw_mem_or_null[char], str_size: size_or_zero, fmt: const_str, data: mem_or_null[u64], data_len: size_or_zero", "length", "most", "Format text into memory; gives the length that the whole text has, with its NUL.", gpl=True),
    Helper("trace_vprintk", 177, "5.16", "fmt: mem[char], fmt_size: size, data: mem_or_null, data_len: size_or_zero", "length", "most", "Write a line to the kernel's `trace_pipe` with any count of numbers, given as an array of `u64`.", gpl=True),
    Helper("ringbuf_reserve_dynptr", 198, "5.19", "ringbuf: map, size: u32, flags: flags, ptr: uninit_dynptr", "errno", "most", "Reserve a record whose size is known only at run time; it must be submitted or discarded even after an error."),
    Helper("ringbuf_submit_dynptr", 199, "5.19", "ptr: reserved_dynptr, flags: flags", "void", "most", "Give a record that was reserved as a dynptr to the reader."),
    Helper("ringbuf_discard_dynptr", 200, "5.19", "ptr: reserved_dynptr, flags: flags", "void", "most", "Throw a record that was reserved as a dynptr away."),
    Helper("user_ringbuf_drain", 209, "6.1", "map: map, callback_fn: func, ctx: stack_or_null, flags: flags", "i64", "most", "Call a function for each record that user space has put into a user ring buffer; gives how many were read.", callback="dynptr: dynptr, ctx: stack_or_null -> i64"),
)  # fmt: skip
