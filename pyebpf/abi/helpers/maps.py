"""Helpers on maps and on storage that belongs to an object."""

from __future__ import annotations

from pyebpf.abi.helpers.row import Helper

ROWS = (
    Helper("map_lookup_elem", 1, "3.19", "map: map, key: key", "value_or_null", "all", "Find the value of a key."),
    Helper("map_update_elem", 2, "3.19", "map: map, key: key, value: value, flags: flags", "errno", "all", "Store a value under a key; `BPF_NOEXIST` and `BPF_EXIST` in `flags` say which keys may be there."),
    Helper("map_delete_elem", 3, "3.19", "map: map, key: key", "errno", "all", "Remove a key and its value."),
    Helper("get_local_storage", 81, "4.19", "map: map, flags: flags", "value", "cgroup_device cgroup_skb cgroup_sock cgroup_sock_addr cgroup_sockopt cgroup_sysctl lsm sock_ops", "Return the storage of the cgroup that the program is attached to; it is always there."),
    Helper("map_push_elem", 87, "4.20", "map: map, value: value, flags: flags", "errno", "all", "Add a value to a queue, a stack or a Bloom filter; with `BPF_EXIST` the oldest one makes room."),
    Helper("map_pop_elem", 88, "4.20", "map: map, value: uninit_value", "errno", "all", "Take the next value out of a queue or a stack."),
    Helper("map_peek_elem", 89, "4.20", "map: map, value: uninit_value", "errno", "all", "Read the next value of a queue or a stack and leave it there; ask a Bloom filter for a value."),
    Helper("sk_storage_get", 107, "5.2", "map: map, sk: ctx_or_sock, value: value_or_null, flags: flags", "value_or_null", "typed tc cgroup_skb cgroup_sock cgroup_sock_addr cgroup_sockopt sk_msg sock_ops struct_ops", "Find a socket's own value in a `sk_storage` map, or make it with `BPF_SK_STORAGE_GET_F_CREATE`."),
    Helper("sk_storage_delete", 108, "5.2", "map: map, sk: sock", "errno", "typed tc cgroup_skb cgroup_sock_addr cgroup_sockopt sk_msg sock_ops struct_ops", "Remove a socket's own value."),
    Helper("inode_storage_get", 145, "5.10", "map: map, inode: btf[inode], value: value_or_null, flags: flags", "value_or_null", "lsm", "Find an inode's own value in an `inode_storage` map, or make it with `BPF_LOCAL_STORAGE_GET_F_CREATE`."),
    Helper("inode_storage_delete", 146, "5.10", "map: map, inode: btf[inode]", "errno", "lsm", "Remove an inode's own value."),
    Helper("task_storage_get", 156, "5.11", "map: map, task: btf[task_struct], value: value_or_null, flags: flags", "value_or_null", "most", "Find a thread's own value in a `task_storage` map, or make it with `BPF_LOCAL_STORAGE_GET_F_CREATE`."),
    Helper("task_storage_delete", 157, "5.11", "map: map, task: btf[task_struct]", "errno", "most", "Remove a thread's own value."),
    Helper("for_each_map_elem", 164, "5.13", "map: map, callback_fn: func, callback_ctx: stack_or_null, flags: flags", "i64", "most", "Call a function for each entry until it returns 1; gives how many were visited.", callback="map: map, key: key, value: value, ctx: stack_or_null -> i64"),
    Helper("kptr_xchg", 194, "5.19", "dst: kptr, ptr: kptr_or_null", "kptr_or_null", "most", "Put a kernel object into a map value and take out the one that was there."),
    Helper("map_lookup_percpu_elem", 195, "5.19", "map: map, key: key, cpu: u32", "value_or_null", "most", "Find what another CPU stores under a key of a per-CPU map."),
    Helper("cgrp_storage_get", 210, "6.2", "map: map, cgroup: btf[cgroup], value: value_or_null, flags: flags", "value_or_null", "most", "Find a cgroup's own value in a `cgrp_storage` map, or make it with `BPF_LOCAL_STORAGE_GET_F_CREATE`."),
    Helper("cgrp_storage_delete", 211, "6.2", "map: map, cgroup: btf[cgroup]", "errno", "most", "Remove a cgroup's own value."),
)  # fmt: skip
