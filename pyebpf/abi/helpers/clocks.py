"""Clocks and timers."""

from __future__ import annotations

from pyebpf.abi.helpers.row import Helper

ROWS = (
    Helper("ktime_get_ns", 5, "4.1", "", "u64", "all", "Return nanoseconds since boot, without time spent suspended."),
    Helper("jiffies64", 118, "5.6", "", "u64", "most", "Return the kernel's count of ticks."),
    Helper("ktime_get_boot_ns", 125, "5.8", "", "u64", "all", "Return nanoseconds since boot, with time spent suspended."),
    Helper("ktime_get_coarse_ns", 160, "5.11", "", "u64", "tc lwt cgroup_skb cgroup_sock cgroup_sock_addr cgroup_sysctl flow_dissector sk_lookup sk_msg sk_reuseport sk_skb sock_ops socket_filter struct_ops xdp", "Return nanoseconds since boot as of the last tick: cheaper, and a few milliseconds old."),
    Helper("timer_init", 169, "5.15", "timer: timer, map: map, flags: flags", "errno", "most", "Prepare a timer in a map value and choose its clock.", gpl=True),
    Helper("timer_set_callback", 170, "5.15", "timer: timer, callback_fn: func", "errno", "most", "Choose the function that a timer calls.", gpl=True, callback="map: map, key: key, value: value -> i32"),
    Helper("timer_start", 171, "5.15", "timer: timer, nsecs: u64, flags: flags", "errno", "most", "Let a timer call its function in some nanoseconds, or at a time with `BPF_F_TIMER_ABS`.", gpl=True),
    Helper("timer_cancel", 172, "5.15", "timer: timer", "i64", "most", "Stop a timer and wait for its function; 1 if it was running down, 0 if not.", gpl=True),
    Helper("ktime_get_tai_ns", 208, "6.1", "", "u64", "most", "Return nanoseconds of atomic time (TAI), which has no leap seconds."),
)  # fmt: skip
