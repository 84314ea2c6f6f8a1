"""The helpers that a BPF program may call: one row each. A helper here is a BPF helper, nothing else.

The kinds of arguments, as the verifier checks them:

==================== =================================================================================
``map``              a map
``key``, ``value``   memory of the map's key or value size, read
``uninit_value``     memory of the map's value size, written
``value_or_null``    memory of the map's value size, read, or null
``mem``, ``size``    memory that is read, and how much; ``size_or_zero`` may be 0, ``const_size`` is a
                     constant; ``mem_or_null`` may be null when the size is 0; ``mem_rw`` is kept
``uninit_mem``       memory that is written; ``uninit_mem_or_null`` may be null
``uninit_u64``       8 bytes that are written (``uninit_i64`` the same, signed)
``const_str``        text in a read-only global map, with a NUL
``kernel_addr``      a number that the helper takes as an address; nothing is checked (``user_addr``)
``u32``, ``u64``     a number (``i32``); ``flags`` is a ``u64``
``ctx``              the program's context
``func``             a function of the same program
``stack_or_null``    memory on the stack, passed to that function, or null
``btf:NAME``         a pointer to a kernel structure that the verifier trusts
``percpu_btf``       a per-CPU variable of the kernel
``reserved``         what ``ringbuf_reserve`` returned
``dynptr``           a dynamic pointer (``uninit_dynptr`` is made, ``reserved_dynptr`` is given up)
``spin_lock``        a ``bpf_spin_lock`` in a map value (``timer``: a ``bpf_timer``, ``kptr``: a pointer)
==================== =================================================================================

And of results: ``errno`` is 0 or a negative error, ``length`` a size or a negative error, ``…_or_null`` must be
compared with null before use.

Source: ``include/uapi/linux/bpf.h``; argument and result kinds after the ``bpf_func_proto`` of each helper; versions
by the range of ids that each release added.
"""

from __future__ import annotations

from typing import NamedTuple


class Helper(NamedTuple):
    """One helper. ``gpl``: only for programs with a GPL-compatible license.

    ``typed`` is false where the arguments have not been written down yet; ``args`` and ``ret`` are then empty.
    """

    name: str
    id: int
    since: str
    args: tuple[str, ...] = ()
    ret: str = ""
    gpl: bool = False
    typed: bool = True


def _untyped(name: str, number: int, since: str, *, gpl: bool = False) -> Helper:
    return Helper(name, number, since, gpl=gpl, typed=False)


_ROWS = (
    Helper("map_lookup_elem", 1, "3.19", ("map", "key"), "value_or_null"),
    Helper("map_update_elem", 2, "3.19", ("map", "key", "value", "flags"), "errno"),
    Helper("map_delete_elem", 3, "3.19", ("map", "key"), "errno"),
    Helper(
        "probe_read", 4, "4.1", ("uninit_mem", "size_or_zero", "kernel_addr"), "errno", gpl=True
    ),
    Helper("ktime_get_ns", 5, "4.1", (), "u64"),
    Helper("trace_printk", 6, "4.1", ("mem", "size", "u64", "u64", "u64"), "length", gpl=True),
    Helper("get_prandom_u32", 7, "4.1", (), "u32"),
    Helper("get_smp_processor_id", 8, "4.1", (), "u32"),
    _untyped("skb_store_bytes", 9, "4.1"),
    _untyped("l3_csum_replace", 10, "4.1"),
    _untyped("l4_csum_replace", 11, "4.1"),
    Helper("tail_call", 12, "4.2", ("ctx", "map", "u32"), "errno"),
    _untyped("clone_redirect", 13, "4.2"),
    Helper("get_current_pid_tgid", 14, "4.2", (), "u64"),
    Helper("get_current_uid_gid", 15, "4.2", (), "u64"),
    Helper("get_current_comm", 16, "4.2", ("uninit_mem", "size"), "errno"),
    _untyped("get_cgroup_classid", 17, "4.3"),
    _untyped("skb_vlan_push", 18, "4.3"),
    _untyped("skb_vlan_pop", 19, "4.3"),
    _untyped("skb_get_tunnel_key", 20, "4.3"),
    _untyped("skb_set_tunnel_key", 21, "4.3"),
    Helper("perf_event_read", 22, "4.3", ("map", "flags"), "u64", gpl=True),
    Helper("redirect", 23, "4.4", ("u32", "flags"), "i64"),
    _untyped("get_route_realm", 24, "4.4"),
    Helper(
        "perf_event_output",
        25,
        "4.4",
        ("ctx", "map", "flags", "mem", "size_or_zero"),
        "errno",
        gpl=True,
    ),
    Helper("skb_load_bytes", 26, "4.5", ("ctx", "u32", "uninit_mem", "size"), "errno"),
    Helper("get_stackid", 27, "4.6", ("ctx", "map", "flags"), "i64", gpl=True),
    _untyped("csum_diff", 28, "4.6"),
    _untyped("skb_get_tunnel_opt", 29, "4.6"),
    _untyped("skb_set_tunnel_opt", 30, "4.6"),
    _untyped("skb_change_proto", 31, "4.8"),
    _untyped("skb_change_type", 32, "4.8"),
    _untyped("skb_under_cgroup", 33, "4.8"),
    _untyped("get_hash_recalc", 34, "4.8"),
    Helper("get_current_task", 35, "4.8", (), "u64", gpl=True),
    Helper("probe_write_user", 36, "4.8", ("user_addr", "mem", "size"), "errno", gpl=True),
    Helper("current_task_under_cgroup", 37, "4.9", ("map", "u32"), "i64"),
    _untyped("skb_change_tail", 38, "4.9"),
    _untyped("skb_pull_data", 39, "4.9"),
    _untyped("csum_update", 40, "4.9"),
    _untyped("set_hash_invalid", 41, "4.9"),
    Helper("get_numa_node_id", 42, "4.10", (), "u32"),
    _untyped("skb_change_head", 43, "4.10"),
    _untyped("xdp_adjust_head", 44, "4.10"),
    Helper(
        "probe_read_str",
        45,
        "4.11",
        ("uninit_mem", "size_or_zero", "kernel_addr"),
        "length",
        gpl=True,
    ),
    _untyped("get_socket_cookie", 46, "4.12"),
    _untyped("get_socket_uid", 47, "4.12"),
    _untyped("set_hash", 48, "4.13"),
    _untyped("setsockopt", 49, "4.13"),
    _untyped("skb_adjust_room", 50, "4.13"),
    Helper("redirect_map", 51, "4.14", ("map", "u64", "flags"), "i64"),
    _untyped("sk_redirect_map", 52, "4.14"),
    _untyped("sock_map_update", 53, "4.14"),
    _untyped("xdp_adjust_meta", 54, "4.15"),
    Helper(
        "perf_event_read_value",
        55,
        "4.15",
        ("map", "flags", "uninit_mem", "size"),
        "errno",
        gpl=True,
    ),
    _untyped("perf_prog_read_value", 56, "4.15", gpl=True),
    _untyped("getsockopt", 57, "4.15"),
    Helper("override_return", 58, "4.16", ("ctx", "u64"), "errno", gpl=True),
    _untyped("sock_ops_cb_flags_set", 59, "4.16"),
    _untyped("msg_redirect_map", 60, "4.17"),
    _untyped("msg_apply_bytes", 61, "4.17"),
    _untyped("msg_cork_bytes", 62, "4.17"),
    _untyped("msg_pull_data", 63, "4.17"),
    _untyped("bind", 64, "4.17"),
    _untyped("xdp_adjust_tail", 65, "4.18"),
    _untyped("skb_get_xfrm_state", 66, "4.18"),
    Helper(
        "get_stack", 67, "4.18", ("ctx", "uninit_mem", "size_or_zero", "flags"), "length", gpl=True
    ),
    _untyped("skb_load_bytes_relative", 68, "4.18"),
    _untyped("fib_lookup", 69, "4.18", gpl=True),
    _untyped("sock_hash_update", 70, "4.18"),
    _untyped("msg_redirect_hash", 71, "4.18"),
    _untyped("sk_redirect_hash", 72, "4.18"),
    _untyped("lwt_push_encap", 73, "4.18"),
    _untyped("lwt_seg6_store_bytes", 74, "4.18"),
    _untyped("lwt_seg6_adjust_srh", 75, "4.18"),
    _untyped("lwt_seg6_action", 76, "4.18"),
    _untyped("rc_repeat", 77, "4.18", gpl=True),
    _untyped("rc_keydown", 78, "4.18", gpl=True),
    _untyped("skb_cgroup_id", 79, "4.18"),
    Helper("get_current_cgroup_id", 80, "4.18", (), "u64"),
    _untyped("get_local_storage", 81, "4.19"),
    _untyped("sk_select_reuseport", 82, "4.19"),
    _untyped("skb_ancestor_cgroup_id", 83, "4.19"),
    _untyped("sk_lookup_tcp", 84, "4.20"),
    _untyped("sk_lookup_udp", 85, "4.20"),
    _untyped("sk_release", 86, "4.20"),
    Helper("map_push_elem", 87, "4.20", ("map", "value", "flags"), "errno"),
    Helper("map_pop_elem", 88, "4.20", ("map", "uninit_value"), "errno"),
    Helper("map_peek_elem", 89, "4.20", ("map", "uninit_value"), "errno"),
    _untyped("msg_push_data", 90, "4.20"),
    _untyped("msg_pop_data", 91, "5.0"),
    _untyped("rc_pointer_rel", 92, "5.0", gpl=True),
    Helper("spin_lock", 93, "5.1", ("spin_lock",), "void"),
    Helper("spin_unlock", 94, "5.1", ("spin_lock",), "void"),
    _untyped("sk_fullsock", 95, "5.1"),
    _untyped("tcp_sock", 96, "5.1"),
    _untyped("skb_ecn_set_ce", 97, "5.1"),
    _untyped("get_listener_sock", 98, "5.1"),
    _untyped("skc_lookup_tcp", 99, "5.2"),
    _untyped("tcp_check_syncookie", 100, "5.2", gpl=True),
    _untyped("sysctl_get_name", 101, "5.2"),
    _untyped("sysctl_get_current_value", 102, "5.2"),
    _untyped("sysctl_get_new_value", 103, "5.2"),
    _untyped("sysctl_set_new_value", 104, "5.2"),
    Helper("strtol", 105, "5.2", ("mem", "size", "flags", "uninit_i64"), "length"),
    Helper("strtoul", 106, "5.2", ("mem", "size", "flags", "uninit_u64"), "length"),
    _untyped("sk_storage_get", 107, "5.2"),
    _untyped("sk_storage_delete", 108, "5.2"),
    Helper("send_signal", 109, "5.3", ("u32",), "errno"),
    _untyped("tcp_gen_syncookie", 110, "5.3", gpl=True),
    _untyped("skb_output", 111, "5.5", gpl=True),
    Helper(
        "probe_read_user",
        112,
        "5.5",
        ("uninit_mem", "size_or_zero", "user_addr"),
        "errno",
        gpl=True,
    ),
    Helper(
        "probe_read_kernel",
        113,
        "5.5",
        ("uninit_mem", "size_or_zero", "kernel_addr"),
        "errno",
        gpl=True,
    ),
    Helper(
        "probe_read_user_str",
        114,
        "5.5",
        ("uninit_mem", "size_or_zero", "user_addr"),
        "length",
        gpl=True,
    ),
    Helper(
        "probe_read_kernel_str",
        115,
        "5.5",
        ("uninit_mem", "size_or_zero", "kernel_addr"),
        "length",
        gpl=True,
    ),
    _untyped("tcp_send_ack", 116, "5.6"),
    Helper("send_signal_thread", 117, "5.6", ("u32",), "errno"),
    Helper("jiffies64", 118, "5.6", (), "u64"),
    _untyped("read_branch_records", 119, "5.7", gpl=True),
    Helper("get_ns_current_pid_tgid", 120, "5.7", ("u64", "u64", "uninit_mem", "size"), "errno"),
    _untyped("xdp_output", 121, "5.7", gpl=True),
    _untyped("get_netns_cookie", 122, "5.7"),
    Helper("get_current_ancestor_cgroup_id", 123, "5.7", ("i32",), "u64"),
    _untyped("sk_assign", 124, "5.7"),
    Helper("ktime_get_boot_ns", 125, "5.8", (), "u64"),
    Helper(
        "seq_printf",
        126,
        "5.8",
        ("btf:seq_file", "mem", "size", "mem_or_null", "size_or_zero"),
        "errno",
        gpl=True,
    ),
    Helper("seq_write", 127, "5.8", ("btf:seq_file", "mem", "size_or_zero"), "errno", gpl=True),
    _untyped("sk_cgroup_id", 128, "5.8"),
    _untyped("sk_ancestor_cgroup_id", 129, "5.8"),
    Helper("ringbuf_output", 130, "5.8", ("map", "mem", "size_or_zero", "flags"), "errno"),
    Helper("ringbuf_reserve", 131, "5.8", ("map", "const_size", "flags"), "reserved_or_null"),
    Helper("ringbuf_submit", 132, "5.8", ("reserved", "flags"), "void"),
    Helper("ringbuf_discard", 133, "5.8", ("reserved", "flags"), "void"),
    Helper("ringbuf_query", 134, "5.8", ("map", "flags"), "u64"),
    _untyped("csum_level", 135, "5.8"),
    _untyped("skc_to_tcp6_sock", 136, "5.9"),
    _untyped("skc_to_tcp_sock", 137, "5.9"),
    _untyped("skc_to_tcp_timewait_sock", 138, "5.9"),
    _untyped("skc_to_tcp_request_sock", 139, "5.9"),
    _untyped("skc_to_udp6_sock", 140, "5.9"),
    Helper(
        "get_task_stack",
        141,
        "5.9",
        ("btf:task_struct", "uninit_mem", "size_or_zero", "flags"),
        "length",
    ),
    _untyped("load_hdr_opt", 142, "5.10"),
    _untyped("store_hdr_opt", 143, "5.10"),
    _untyped("reserve_hdr_opt", 144, "5.10"),
    _untyped("inode_storage_get", 145, "5.10"),
    _untyped("inode_storage_delete", 146, "5.10"),
    Helper("d_path", 147, "5.10", ("btf:path", "uninit_mem", "size_or_zero"), "length"),
    Helper("copy_from_user", 148, "5.10", ("uninit_mem", "size_or_zero", "user_addr"), "errno"),
    _untyped("snprintf_btf", 149, "5.10"),
    _untyped("seq_printf_btf", 150, "5.10", gpl=True),
    _untyped("skb_cgroup_classid", 151, "5.10"),
    _untyped("redirect_neigh", 152, "5.10"),
    Helper("per_cpu_ptr", 153, "5.10", ("percpu_btf", "u32"), "percpu_mem_or_null"),
    Helper("this_cpu_ptr", 154, "5.10", ("percpu_btf",), "percpu_mem"),
    _untyped("redirect_peer", 155, "5.10"),
    Helper(
        "task_storage_get",
        156,
        "5.11",
        ("map", "btf:task_struct", "value_or_null", "flags"),
        "value_or_null",
    ),
    Helper("task_storage_delete", 157, "5.11", ("map", "btf:task_struct"), "errno"),
    Helper("get_current_task_btf", 158, "5.11", (), "btf:task_struct", gpl=True),
    _untyped("bprm_opts_set", 159, "5.11"),
    Helper("ktime_get_coarse_ns", 160, "5.11", (), "u64"),
    _untyped("ima_inode_hash", 161, "5.11"),
    _untyped("sock_from_file", 162, "5.11"),
    _untyped("check_mtu", 163, "5.12", gpl=True),
    Helper("for_each_map_elem", 164, "5.13", ("map", "func", "stack_or_null", "flags"), "i64"),
    Helper(
        "snprintf",
        165,
        "5.13",
        ("uninit_mem_or_null", "size_or_zero", "const_str", "mem_or_null", "size_or_zero"),
        "length",
        gpl=True,
    ),
    Helper("sys_bpf", 166, "5.14", ("u32", "mem", "size"), "i64"),
    Helper("btf_find_by_name_kind", 167, "5.14", ("mem", "size", "u32", "flags"), "i64"),
    Helper("sys_close", 168, "5.14", ("u32",), "errno"),
    Helper("timer_init", 169, "5.15", ("timer", "map", "flags"), "errno", gpl=True),
    Helper("timer_set_callback", 170, "5.15", ("timer", "func"), "errno", gpl=True),
    Helper("timer_start", 171, "5.15", ("timer", "u64", "flags"), "errno", gpl=True),
    Helper("timer_cancel", 172, "5.15", ("timer",), "i64", gpl=True),
    Helper("get_func_ip", 173, "5.15", ("ctx",), "u64", gpl=True),
    Helper("get_attach_cookie", 174, "5.15", ("ctx",), "u64"),
    Helper("task_pt_regs", 175, "5.15", ("btf:task_struct",), "btf:pt_regs", gpl=True),
    _untyped("get_branch_snapshot", 176, "5.16", gpl=True),
    Helper(
        "trace_vprintk",
        177,
        "5.16",
        ("mem", "size", "mem_or_null", "size_or_zero"),
        "length",
        gpl=True,
    ),
    _untyped("skc_to_unix_sock", 178, "5.16"),
    Helper(
        "kallsyms_lookup_name", 179, "5.16", ("mem", "size_or_zero", "flags", "uninit_u64"), "errno"
    ),
    Helper(
        "find_vma",
        180,
        "5.17",
        ("btf:task_struct", "u64", "func", "stack_or_null", "flags"),
        "errno",
    ),
    Helper("loop", 181, "5.17", ("u32", "func", "stack_or_null", "flags"), "i64"),
    Helper("strncmp", 182, "5.17", ("mem", "size", "const_str"), "i32"),
    Helper("get_func_arg", 183, "5.17", ("ctx", "u32", "uninit_u64"), "errno"),
    Helper("get_func_ret", 184, "5.17", ("ctx", "uninit_u64"), "errno"),
    Helper("get_func_arg_cnt", 185, "5.17", ("ctx",), "u64"),
    Helper("get_retval", 186, "5.18", (), "i32"),
    Helper("set_retval", 187, "5.18", ("i32",), "errno"),
    _untyped("xdp_get_buff_len", 188, "5.18"),
    _untyped("xdp_load_bytes", 189, "5.18"),
    _untyped("xdp_store_bytes", 190, "5.18"),
    Helper(
        "copy_from_user_task",
        191,
        "5.18",
        ("uninit_mem", "size_or_zero", "user_addr", "btf:task_struct", "flags"),
        "errno",
        gpl=True,
    ),
    _untyped("skb_set_tstamp", 192, "5.18"),
    _untyped("ima_file_hash", 193, "5.18"),
    Helper("kptr_xchg", 194, "5.19", ("kptr", "kptr_or_null"), "kptr_or_null"),
    Helper("map_lookup_percpu_elem", 195, "5.19", ("map", "key", "u32"), "value_or_null"),
    _untyped("skc_to_mptcp_sock", 196, "5.19"),
    Helper(
        "dynptr_from_mem",
        197,
        "5.19",
        ("mem_rw", "size_or_zero", "flags", "uninit_dynptr"),
        "errno",
    ),
    Helper(
        "ringbuf_reserve_dynptr", 198, "5.19", ("map", "u32", "flags", "uninit_dynptr"), "errno"
    ),
    Helper("ringbuf_submit_dynptr", 199, "5.19", ("reserved_dynptr", "flags"), "void"),
    Helper("ringbuf_discard_dynptr", 200, "5.19", ("reserved_dynptr", "flags"), "void"),
    Helper(
        "dynptr_read",
        201,
        "5.19",
        ("uninit_mem", "size_or_zero", "dynptr", "u64", "flags"),
        "errno",
    ),
    Helper("dynptr_write", 202, "5.19", ("dynptr", "u64", "mem", "size_or_zero", "flags"), "errno"),
    Helper("dynptr_data", 203, "5.19", ("dynptr", "u64", "const_size"), "mem_or_null"),
    _untyped("tcp_raw_gen_syncookie_ipv4", 204, "6.0", gpl=True),
    _untyped("tcp_raw_gen_syncookie_ipv6", 205, "6.0", gpl=True),
    _untyped("tcp_raw_check_syncookie_ipv4", 206, "6.0", gpl=True),
    _untyped("tcp_raw_check_syncookie_ipv6", 207, "6.0", gpl=True),
    Helper("ktime_get_tai_ns", 208, "6.1", (), "u64"),
    Helper("user_ringbuf_drain", 209, "6.1", ("map", "func", "stack_or_null", "flags"), "i64"),
    Helper(
        "cgrp_storage_get",
        210,
        "6.2",
        ("map", "btf:cgroup", "value_or_null", "flags"),
        "value_or_null",
    ),
    Helper("cgrp_storage_delete", 211, "6.2", ("map", "btf:cgroup"), "errno"),
)

#: Every helper by its name, without ``bpf_``.
HELPERS: dict[str, Helper] = {row.name: row for row in _ROWS}


def helper_by_id(number: int) -> Helper | None:
    """Return the helper with an id, or None if this version does not know it."""
    return _ROWS[number - 1] if 0 < number <= len(_ROWS) else None
