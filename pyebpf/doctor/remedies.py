"""Which options of the kernel's configuration a feature needs.

Source: ``Kconfig`` and ``Makefile`` entries of each kind, and ``include/linux/bpf_types.h``.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

#: Names of features, or patterns of them; the first row that fits counts.
_OPTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("kernel_btf", ("DEBUG_INFO_BTF",)),
    ("module_btf", ("DEBUG_INFO_BTF_MODULES",)),
    ("kallsyms_all", ("KALLSYMS_ALL",)),
    ("kprobe_attach", ("KPROBE_EVENTS",)),
    ("uprobe_attach", ("UPROBE_EVENTS",)),
    ("sleepable_functions", ("FUNCTION_ERROR_INJECTION",)),
    ("tcx", ("NET_XGRESS",)),
    ("helper:override_return", ("BPF_KPROBE_OVERRIDE",)),
    ("prog:lsm*", ("BPF_LSM",)),
    ("prog:f*.multi*", ("DYNAMIC_FTRACE_WITH_DIRECT_CALLS",)),
    ("prog:fmod_ret*", ("DYNAMIC_FTRACE_WITH_DIRECT_CALLS", "FUNCTION_ERROR_INJECTION")),
    ("prog:fentry*", ("DYNAMIC_FTRACE_WITH_DIRECT_CALLS",)),
    ("prog:fexit*", ("DYNAMIC_FTRACE_WITH_DIRECT_CALLS",)),
    ("prog:k*.multi", ("FPROBE",)),
    ("prog:kprobe.session", ("FPROBE",)),
    ("prog:lirc_mode2", ("BPF_LIRC_MODE2",)),
    ("prog:netfilter", ("NETFILTER_BPF_LINK",)),
    ("prog:netkit*", ("NETKIT",)),
    ("prog:tcx*", ("NET_XGRESS",)),
    ("prog:lwt_seg6local", ("IPV6_SEG6_BPF",)),
    ("prog:lwt*", ("LWTUNNEL_BPF",)),
    ("prog:sk_skb*", ("BPF_STREAM_PARSER",)),
    ("prog:sk_msg", ("BPF_STREAM_PARSER",)),
    ("prog:cgroup*", ("CGROUP_BPF",)),
    ("prog:sock_ops", ("CGROUP_BPF",)),
    ("prog:struct_ops*", ("BPF_JIT", "DEBUG_INFO_BTF")),
    ("map:sock*", ("BPF_STREAM_PARSER",)),
    ("map:xskmap", ("XDP_SOCKETS",)),
    ("map:inode_storage", ("BPF_LSM",)),
    ("map:cgroup_storage", ("CGROUP_BPF",)),
    ("map:percpu_cgroup_storage", ("CGROUP_BPF",)),
    ("map:cg*", ("CGROUPS",)),
    ("map:struct_ops", ("BPF_JIT", "DEBUG_INFO_BTF")),
    ("map:perf_event_array", ("PERF_EVENTS",)),
    ("map:stack_trace", ("PERF_EVENTS",)),
)


def options_of(feature: str) -> tuple[str, ...]:
    """Return the options that a feature needs, without ``CONFIG_``; none if that is not known."""
    return next((names for pattern, names in _OPTIONS if fnmatchcase(feature, pattern)), ())


def patterns() -> tuple[str, ...]:
    """Return the names and patterns of the table, for its test."""
    return tuple(pattern for pattern, _ in _OPTIONS)
