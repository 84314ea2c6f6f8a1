"""What the answer of a probe means for the one who asks: a line with its cause and advice.

``EPERM`` has three causes that look alike: a capability that is missing, a user namespace, and a
policy that refuses although nothing is missing. They are told apart by what this process holds.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyebpf.abi import capability
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.doctor.findings import Cause, Finding, Word
from pyebpf.doctor.remedies import options_of
from pyebpf.runtime.answers import Answer, Support
from pyebpf.runtime.feature_table import FEATURES
from pyebpf.runtime.refusal import describe

if TYPE_CHECKING:
    from pyebpf.doctor.machine import Machine

_TRACING = ("CAP_BPF", "CAP_PERFMON")
#: Single features whose probe loads a tracing program.
_TRACED = (
    "sleepable_functions",
    "bpf_loop",
    "cookie",
    "probe_read_kernel",
    "perf_link",
    "raw_tp_btf",
    "fentry_load",
)
#: ``bpf_get_probe_write_proto`` of ``kernel/trace/bpf_trace.c``.
_HIDDEN_BY_LOCKDOWN = ("helper:probe_write_user",)
_PASSING = (errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.EMFILE, errno.ENFILE)


def needs_of(feature: str) -> tuple[str, ...]:
    """Return the capabilities that a feature needs, all of them."""
    family, _, name = feature.partition(":")
    if family == "prog" and name:
        return capability.for_program(PROGRAM_KINDS[name].prog_type)
    if family == "map" and name:
        return capability.for_map(MAP_KINDS[name].id)
    if family == "helper":
        kind = name.partition("@")[2]
        return capability.for_program(PROGRAM_KINDS[kind].prog_type) if kind else _TRACING
    if feature in ("tcx", "xdp_link", "cgroup_link"):
        return ("CAP_BPF", "CAP_NET_ADMIN")
    return _TRACING if feature in _TRACED else ("CAP_BPF",)


def judge(feature: str, label: str, answer: Answer, machine: Machine) -> Finding:
    """Return the line of a feature, a row of ``FEATURES``."""
    if answer.support is Support.YES:
        return Finding(feature, label, Word.YES)
    if answer.errno == errno.EPERM:
        return refused(feature, label, needs_of(feature), machine)
    if answer.errno in _PASSING:
        reason = describe(answer.errno)
        advice = "ask again when memory and descriptors are free"
        return Finding(feature, label, Word.CANNOT_TELL, reason, advice, Cause.RESOURCE)
    if answer.support is Support.UNKNOWN:
        return Finding(feature, label, Word.CANNOT_TELL, _first_clause(answer.reason))
    return _absent(feature, label, answer, machine)


def refused(feature: str, label: str, needs: tuple[str, ...], machine: Machine) -> Finding:
    """Return the line of what was answered with ``EPERM``."""
    lacking = machine.lacks(needs)
    if lacking:
        names = " and ".join(lacking)
        reason = f"EPERM: this process lacks {names}"
        return Finding(feature, label, Word.CANNOT_TELL, reason, grant(lacking), Cause.PRIVILEGE)
    if machine.is_contained:
        reason = "EPERM: capabilities held inside a user namespace do not count"
        advice = "run it outside of the container's user namespace"
        return Finding(feature, label, Word.NO, reason, advice, Cause.POLICY)
    held = " and ".join(needs)
    reason = f"EPERM: {held} held, so a policy refuses it"
    return Finding(feature, label, Word.NO, reason, policy_advice(machine), Cause.POLICY)


def grant(lacking: tuple[str, ...]) -> str:
    """Say how a process gets capabilities that it lacks."""
    names = " and ".join(lacking)
    return f"grant {names}" if os.geteuid() == 0 else f"run it as root, or grant {names}"


def policy_advice(machine: Machine) -> str:
    """Say which policies are active here, and so where to look."""
    active = []
    if machine.lockdown not in (None, "", "none"):
        active.append(f"kernel lockdown is {machine.lockdown} (boot with lockdown=none)")
    if machine.seccomp:
        active.append("a seccomp filter is on this process (run it outside of the container)")
    known = ("selinux", "apparmor", "smack", "tomoyo")
    modules = [name for name in machine.security_modules or () if name in known]
    if modules:
        active.append(f"security modules: {', '.join(modules)} (look into the audit log)")
    if active:
        return "what may refuse it: " + "; ".join(active)
    if machine.lockdown is None:
        return (
            "mount -t securityfs securityfs /sys/kernel/security shows lockdown and the security "
            "modules; a restriction that is built into this kernel cannot be seen"
        )
    return "no lockdown, seccomp or security module is seen: it is built into this kernel"


def _absent(feature: str, label: str, answer: Answer, machine: Machine) -> Finding:
    options = options_of(feature)
    off = [name for name in options if machine.is_configured(name) is False]
    since = FEATURES[feature].since
    if off:
        names = ", ".join(f"CONFIG_{name}" for name in off)
        advice = f"a kernel built with {' and '.join(f'CONFIG_{name}=y' for name in off)}"
        return Finding(feature, label, Word.NO, f"{names} is not set", advice, Cause.CONFIGURATION)
    if feature in _HIDDEN_BY_LOCKDOWN and machine.is_configured("BPF_EVENTS"):
        reason = _first_clause(answer.reason)
        return Finding(feature, label, Word.NO, reason, policy_advice(machine), Cause.POLICY)
    kind = feature.partition("@")[2]
    if kind and answer.errno:
        reason = f"this kernel has no {kind} programs"
        since, options = PROGRAM_KINDS[kind].since, ()
    elif answer.errno:
        reason = f"{describe(answer.errno).partition(':')[0]}: this kernel does not know it"
    else:
        reason = _first_clause(answer.reason)
    # What is known to be on is not what is missing.
    unknown = [name for name in options if machine.is_configured(name) is None]
    wanted = " and ".join(f"CONFIG_{name}=y" for name in unknown)
    newer = f"Linux {since} or newer" if since else "a newer kernel" if answer.errno else ""
    if wanted:
        newer = f"{newer}, with {wanted}" if newer else f"a kernel with {wanted}"
    return Finding(feature, label, Word.NO, reason, newer, Cause.KERNEL)


def _first_clause(text: str) -> str:
    return text.partition("; ")[0]
