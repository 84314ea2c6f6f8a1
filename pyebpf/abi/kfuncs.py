"""What is known of kfuncs beyond their BTF: which of them give something that must be given back.

The kernel keeps these flags (``KF_ACQUIRE``, ``KF_RET_NULL`` and the like) in tables of its own, which BTF does not
have. A kfunc that is not listed here is taken at its signature, and its pointers may be null.

Source: ``BTF_ID_FLAGS`` in ``kernel/bpf/helpers.c``, ``kernel/bpf/cpumask.c``, ``kernel/bpf/crypto.c``,
``fs/bpf_fs_kfuncs.c`` and ``net/netfilter/nf_conntrack_bpf.c`` of Linux.
"""

from __future__ import annotations

#: What gives something → what takes it back.
PAIRS: dict[str, str] = {
    "bpf_task_acquire": "bpf_task_release",
    "bpf_task_from_pid": "bpf_task_release",
    "bpf_task_from_vpid": "bpf_task_release",
    "bpf_cgroup_acquire": "bpf_cgroup_release",
    "bpf_cgroup_ancestor": "bpf_cgroup_release",
    "bpf_cgroup_from_id": "bpf_cgroup_release",
    "bpf_task_get_cgroup1": "bpf_cgroup_release",
    "bpf_cpumask_create": "bpf_cpumask_release",
    "bpf_cpumask_acquire": "bpf_cpumask_release",
    "bpf_get_task_exe_file": "bpf_put_file",
    "bpf_crypto_ctx_create": "bpf_crypto_ctx_release",
    "bpf_crypto_ctx_acquire": "bpf_crypto_ctx_release",
    "bpf_lookup_user_key": "bpf_key_put",
    "bpf_lookup_system_key": "bpf_key_put",
    "bpf_skb_ct_lookup": "bpf_ct_release",
    "bpf_xdp_ct_lookup": "bpf_ct_release",
    "bpf_xdp_get_xfrm_state": "bpf_xdp_xfrm_state_release",
    "bpf_rcu_read_lock": "bpf_rcu_read_unlock",
    "bpf_preempt_disable": "bpf_preempt_enable",
}

#: Pointers that these give are never null.
NEVER_NULL: frozenset[str] = frozenset({"bpf_rdonly_cast", "bpf_cast_to_kern_ctx"})

#: What the end of a parameter's name says to the verifier (``Documentation/bpf/kfuncs.rst``).
SIZE_SUFFIXES = ("__sz", "__szk")
CONSTANT_SUFFIX = "__k"
IGNORED_SUFFIX = "__ign"
TEXT_SUFFIX = "__str"
NULLABLE_SUFFIXES = ("__nullable", "__opt", "__ign")
REFUSED_SUFFIXES = ("__map", "__prog", "__alloc", "__uninit", "__irq_flag", "__refcounted_kptr", "__impl", "__iter", "__const_map")
