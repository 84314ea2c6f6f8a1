"""Lines about privileges, policies, limits and mounts: what is read, not tried."""

from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING

from pyebpf.doctor.findings import Cause, Finding, Word
from pyebpf.doctor.judge import grant, refused
from pyebpf.errors import KernelError, NotSupportedError
from pyebpf.runtime import memlock
from pyebpf.runtime.tracefs import Tracefs

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.doctor.machine import Machine

_WHAT_FOR = {
    "CAP_BPF": "maps and programs",
    "CAP_PERFMON": "tracing programs",
    "CAP_NET_ADMIN": "programs for packets, sockets and cgroups",
    "CAP_SYS_ADMIN": "tracefs, objects of other processes; stands for those above",
    "CAP_SYS_RESOURCE": "raising RLIMIT_MEMLOCK before Linux 5.11",
}


def privileges(machine: Machine) -> list[Finding]:
    """Say what this process may do, and which policies there are."""
    found = [_capability(name, machine) for name in _WHAT_FOR]
    found.append(_namespace(machine))
    found += [_lockdown(machine), _security_modules(machine)]
    found += [_unprivileged(machine), _paranoid(machine), _kptr(machine), _memlock(machine)]
    if machine.seccomp:
        found.append(
            _fact("seccomp", "a filter of system calls is on this process", "it may refuse bpf(2)")
        )
    return found


def _fact(name: str, reason: str, advice: str = "") -> Finding:
    return Finding(name, name, Word.FACT, reason, advice, Cause.SETTING if advice else Cause.NONE)


def _capability(name: str, machine: Machine) -> Finding:
    if machine.holds(name):
        return Finding(name, name, Word.YES, _WHAT_FOR[name])
    if not machine.lacks((name,)):
        return Finding(name, name, Word.YES, "CAP_SYS_ADMIN stands in for it")
    if name == "CAP_SYS_RESOURCE" and memlock.is_charged() is False:
        return Finding(name, name, Word.NO, "not held, and not needed by this kernel")
    return Finding(name, name, Word.NO, _WHAT_FOR[name], grant((name,)), Cause.PRIVILEGE)


def _namespace(machine: Machine) -> Finding:
    if not machine.is_contained:
        return Finding("init_user_ns", "the first user namespace", Word.YES)
    return Finding(
        "init_user_ns", "the first user namespace", Word.NO,
        "capabilities held inside another one do not reach bpf(2)",
        "run it outside of the container's user namespace", Cause.POLICY,
    )  # fmt: skip


_SECURITYFS = "mount -t securityfs securityfs /sys/kernel/security"


def _lockdown(machine: Machine) -> Finding:
    state = machine.lockdown
    if state is None:
        shown = bool(machine.mounted("securityfs"))
        reason = "this kernel has none" if shown else "securityfs is not mounted: not to be seen"
        return _fact("lockdown", reason, "" if shown else _SECURITYFS)
    advice = {
        "confidentiality": "it refuses programs that read kernel memory; boot with lockdown=none",
        "integrity": "it refuses bpf_probe_write_user, not tracing",
    }
    return _fact("lockdown", state or "none", advice.get(state, ""))


def _security_modules(machine: Machine) -> Finding:
    modules = machine.security_modules
    label = "bpf among the security modules"
    if modules is None:
        shown = bool(machine.mounted("securityfs"))
        reason = "this kernel does not list them" if shown else "securityfs is not mounted"
        return Finding(
            "lsm", label, Word.CANNOT_TELL, reason, "" if shown else _SECURITYFS, Cause.SETTING
        )
    if "bpf" in modules:
        return Finding("lsm", label, Word.YES, f"active: {', '.join(modules)}")
    return Finding(
        "lsm", label, Word.NO, f"active: {', '.join(modules)}",
        f"boot with lsm={','.join((*modules, 'bpf'))} to attach @lsm programs", Cause.SETTING,
    )  # fmt: skip


_UNPRIVILEGED = {
    "0": "0: processes without capabilities may load programs for sockets",
    "1": "1: bpf(2) needs capabilities, until the next boot",
    "2": "2: bpf(2) needs capabilities",
}


def _unprivileged(machine: Machine) -> Finding:
    name = "kernel.unprivileged_bpf_disabled"
    value = machine.sysctl(name)
    if value is None:
        return _fact(name, "there is no such setting: CONFIG_BPF_SYSCALL is off, or /proc is not")
    return _fact(name, _UNPRIVILEGED.get(value, value))


def _paranoid(machine: Machine) -> Finding:
    name = "kernel.perf_event_paranoid"
    value = machine.sysctl(name)
    if value is None:
        return _fact(name, "there is no such setting", "a kernel with CONFIG_PERF_EVENTS=y")
    hurts = int(value) > 1 and bool(machine.lacks(("CAP_PERFMON",)))
    advice = f"grant CAP_PERFMON, or sysctl {name}=1" if hurts else ""
    return _fact(name, f"{value}{'' if hurts else ': no limit with CAP_PERFMON'}", advice)


def _kptr(machine: Machine) -> Finding:
    name = "kernel.kptr_restrict"
    value = machine.sysctl(name) or "not to be seen"
    advice = f"addresses read as 0: sysctl {name}=1 shows them to root" if value == "2" else ""
    return _fact(name, value, advice)


def _memlock(machine: Machine) -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    limit = "unlimited" if soft == resource.RLIM_INFINITY else f"{soft >> 10} kB"
    charged = memlock.is_charged()
    label = "RLIMIT_MEMLOCK out of the way"
    if charged is False:
        return Finding("memcg_accounting", label, Word.YES, "BPF memory is charged to the cgroup")
    if charged is None:
        return Finding(
            "memcg_accounting", label, Word.CANNOT_TELL, f"the limit is {limit}; nobody may ask"
        )
    if machine.holds("CAP_SYS_RESOURCE"):
        reason = "it counts here, and pyebpf lifts it for itself: CAP_SYS_RESOURCE is held"
        return Finding("memcg_accounting", label, Word.YES, reason)
    if soft == resource.RLIM_INFINITY:
        return Finding("memcg_accounting", label, Word.YES, "it counts here, and is unlimited")
    return Finding(
        "memcg_accounting", label, Word.NO, f"BPF memory counts here, and the limit is {limit}",
        "ulimit -l unlimited, or grant CAP_SYS_RESOURCE, and pyebpf lifts it", Cause.SETTING,
    )  # fmt: skip


def surroundings(machine: Machine) -> list[Finding]:
    """Say what is mounted and installed."""
    found = [
        _mount("tracefs", "/sys/kernel/tracing", "CONFIG_FTRACE", machine),
        *_tracefs(machine),
        _mount("bpf", "/sys/fs/bpf", "CONFIG_BPF_SYSCALL", machine),
        _mount("cgroup2", "/sys/fs/cgroup", "CONFIG_CGROUPS", machine),
        _mount("securityfs", "/sys/kernel/security", "CONFIG_SECURITYFS", machine),
    ]
    label = "the kernel tells its configuration"
    if machine.is_configured("BPF") is None:
        advice = "CONFIG_IKCONFIG_PROC=y, or the file /boot/config-" + machine.release
        reason = "no /proc/config.gz, no file in /boot"
        found.append(Finding("config", label, Word.NO, reason, advice, Cause.SETTING))
    else:
        found.append(Finding("config", label, Word.YES))
    return found


def _mount(kind: str, place: str, option: str, machine: Machine) -> Finding:
    name = f"mount:{kind}"
    label = f"{'bpffs' if kind == 'bpf' else kind} is mounted"
    if where := machine.mounted(kind):
        return Finding(name, label, Word.YES, where)
    if not machine.has_filesystem(kind):
        reason = "this kernel does not have it"
        advice = f"a kernel with {option}=y"
        return Finding(name, label, Word.NO, reason, advice, Cause.CONFIGURATION)
    return Finding(
        name, label, Word.NO, "nowhere", f"mount -t {kind} {kind} {place}", Cause.SETTING
    )


def _tracefs(machine: Machine) -> list[Finding]:
    """Ask tracefs itself; pyebpf reads it where it is not mounted, too."""
    with Tracefs() as tracefs:
        return [
            _listed("tracefs", "tracefs lists the tracepoints", tracefs.names, machine),
            _listed("functions", "tracefs lists what can be traced", tracefs.functions, machine),
        ]  # fmt: skip


def _listed(name: str, label: str, ask: Callable[[], tuple[str, ...]], machine: Machine) -> Finding:
    try:
        count = len(ask())
    except KernelError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            return refused(name, label, ("CAP_SYS_ADMIN",), machine)
        return Finding(name, label, Word.NO, str(error), "", Cause.KERNEL)
    except NotSupportedError as error:
        return Finding(
            name, label, Word.NO, str(error), "a kernel with CONFIG_FTRACE=y", Cause.CONFIGURATION
        )
    if count:
        return Finding(name, label, Word.YES, f"{count} of them")
    reason = "this kernel has none: it was built without dynamic ftrace"
    advice = "a kernel built with CONFIG_FUNCTION_TRACER=y and CONFIG_DYNAMIC_FTRACE=y"
    return Finding(name, label, Word.NO, reason, advice, Cause.CONFIGURATION)


def user() -> str:
    """Say who is asking."""
    return "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
