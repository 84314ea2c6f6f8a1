"""The capabilities, and which of them a command of ``bpf(2)`` needs.

Only data: ``runtime.refusal`` reads what is held.

Source: ``include/uapi/linux/capability.h``; ``kernel/bpf/syscall.c`` (``bpf_prog_load``, ``map_create``,
``bpf_prog_attach_check_attach_type``).
"""

from __future__ import annotations

from pyebpf.abi import constants as c

#: In the order of their bits.
_NAMES = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
#: By name, the bit of each.
CAPABILITIES = {f"CAP_{name}": bit for bit, name in enumerate(_NAMES.split())}

_PARTS_OF_SYS_ADMIN = frozenset({"CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"})

#: Program types that also need CAP_PERFMON, since they read kernel memory (``is_perfmon_prog_type``).
_PERFMON = frozenset(
    {
        c.BPF_PROG_TYPE_KPROBE,
        c.BPF_PROG_TYPE_TRACEPOINT,
        c.BPF_PROG_TYPE_PERF_EVENT,
        c.BPF_PROG_TYPE_RAW_TRACEPOINT,
        c.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
        c.BPF_PROG_TYPE_TRACING,
        c.BPF_PROG_TYPE_LSM,
        c.BPF_PROG_TYPE_STRUCT_OPS,
        c.BPF_PROG_TYPE_EXT,
    }
)
#: Program types that also need CAP_NET_ADMIN (``is_net_admin_prog_type``).
_NET_ADMIN = frozenset(
    {
        c.BPF_PROG_TYPE_SCHED_CLS,
        c.BPF_PROG_TYPE_SCHED_ACT,
        c.BPF_PROG_TYPE_XDP,
        c.BPF_PROG_TYPE_LWT_IN,
        c.BPF_PROG_TYPE_LWT_OUT,
        c.BPF_PROG_TYPE_LWT_XMIT,
        c.BPF_PROG_TYPE_LWT_SEG6LOCAL,
        c.BPF_PROG_TYPE_SK_SKB,
        c.BPF_PROG_TYPE_SK_MSG,
        c.BPF_PROG_TYPE_FLOW_DISSECTOR,
        c.BPF_PROG_TYPE_CGROUP_DEVICE,
        c.BPF_PROG_TYPE_CGROUP_SOCK,
        c.BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
        c.BPF_PROG_TYPE_CGROUP_SOCKOPT,
        c.BPF_PROG_TYPE_CGROUP_SYSCTL,
        c.BPF_PROG_TYPE_SOCK_OPS,
        c.BPF_PROG_TYPE_EXT,
        c.BPF_PROG_TYPE_NETFILTER,
    }
)
_NET_MAPS = frozenset(
    {
        c.BPF_MAP_TYPE_SOCKMAP,
        c.BPF_MAP_TYPE_SOCKHASH,
        c.BPF_MAP_TYPE_DEVMAP,
        c.BPF_MAP_TYPE_DEVMAP_HASH,
        c.BPF_MAP_TYPE_XSKMAP,
    }
)
#: What needs nothing where ``kernel.unprivileged_bpf_disabled`` is 0.
_UNPRIVILEGED_PROGRAMS = frozenset({c.BPF_PROG_TYPE_SOCKET_FILTER, c.BPF_PROG_TYPE_CGROUP_SKB})
_UNPRIVILEGED_MAPS = frozenset(
    {
        c.BPF_MAP_TYPE_ARRAY,
        c.BPF_MAP_TYPE_PERCPU_ARRAY,
        c.BPF_MAP_TYPE_PROG_ARRAY,
        c.BPF_MAP_TYPE_PERF_EVENT_ARRAY,
        c.BPF_MAP_TYPE_CGROUP_ARRAY,
        c.BPF_MAP_TYPE_ARRAY_OF_MAPS,
        c.BPF_MAP_TYPE_HASH,
        c.BPF_MAP_TYPE_PERCPU_HASH,
        c.BPF_MAP_TYPE_HASH_OF_MAPS,
        c.BPF_MAP_TYPE_RINGBUF,
        c.BPF_MAP_TYPE_USER_RINGBUF,
        c.BPF_MAP_TYPE_CGROUP_STORAGE,
        c.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
    }
)
#: Programs at these may have been loaded by anybody; the kernel looks when they are attached.
_LATE_NET_ADMIN = frozenset({c.BPF_CGROUP_INET_INGRESS, c.BPF_CGROUP_INET_EGRESS})
#: Walking the objects of other processes needs the old all-powerful capability.
_SYS_ADMIN = frozenset(
    {
        c.BPF_PROG_GET_NEXT_ID,
        c.BPF_MAP_GET_NEXT_ID,
        c.BPF_BTF_GET_NEXT_ID,
        c.BPF_LINK_GET_NEXT_ID,
        c.BPF_PROG_GET_FD_BY_ID,
        c.BPF_MAP_GET_FD_BY_ID,
        c.BPF_BTF_GET_FD_BY_ID,
        c.BPF_LINK_GET_FD_BY_ID,
        c.BPF_TASK_FD_QUERY,
        c.BPF_ENABLE_STATS,
    }
)


def for_program(prog_type: int) -> tuple[str, ...]:
    """Return the capabilities that loading a program of ``prog_type`` needs, all of them."""
    needs = ["CAP_BPF"]
    if prog_type in _PERFMON:
        needs.append("CAP_PERFMON")
    if prog_type in _NET_ADMIN:
        needs.append("CAP_NET_ADMIN")
    return tuple(needs)


def for_map(map_type: int) -> tuple[str, ...]:
    """Return the capabilities that creating a map of ``map_type`` needs, all of them."""
    return ("CAP_BPF", "CAP_NET_ADMIN") if map_type in _NET_MAPS else ("CAP_BPF",)


def for_link(attach_type: int) -> tuple[str, ...]:
    """Return the capabilities that attaching a loaded program needs, all of them."""
    return ("CAP_BPF", "CAP_NET_ADMIN") if attach_type in _LATE_NET_ADMIN else ("CAP_BPF",)


def for_command(cmd: int) -> tuple[str, ...]:
    """Return the capabilities that another command of ``bpf(2)`` needs, all of them."""
    return ("CAP_SYS_ADMIN",) if cmd in _SYS_ADMIN else ("CAP_BPF",)


def unprivileged_program(prog_type: int) -> bool:
    """Tell whether anybody may load such a program, unless a setting forbids it."""
    return prog_type in _UNPRIVILEGED_PROGRAMS


def unprivileged_map(map_type: int) -> bool:
    """Tell whether anybody may create such a map, unless a setting forbids it."""
    return map_type in _UNPRIVILEGED_MAPS


def missing(needs: tuple[str, ...], effective: int) -> tuple[str, ...]:
    """Return those of ``needs`` that the set ``effective`` lacks.

    CAP_SYS_ADMIN stands in for those that were split off it in Linux 5.8, and in ``bpf(2)`` for
    CAP_NET_ADMIN.
    """
    if effective >> CAPABILITIES["CAP_SYS_ADMIN"] & 1:
        needs = tuple(name for name in needs if name not in _PARTS_OF_SYS_ADMIN)
    return tuple(name for name in needs if not _holds(name, effective))


def _holds(name: str, effective: int) -> bool:
    return bool(effective >> CAPABILITIES[name] & 1)
