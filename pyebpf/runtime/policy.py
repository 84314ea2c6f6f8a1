"""Which policies of this machine may refuse what a process has the capabilities for."""

from __future__ import annotations

_LOCKDOWN = "/sys/kernel/security/lockdown"
_MODULES = "/sys/kernel/security/lsm"
_STATUS = "/proc/self/status"
_UNPRIVILEGED = "/proc/sys/kernel/unprivileged_bpf_disabled"
_STATISTICS = "/proc/sys/kernel/bpf_stats_enabled"
#: Security modules that ask nothing about BPF.
_BYSTANDERS = frozenset({"capability", "yama", "landlock", "loadpin", "safesetid", "integrity"})


def lockdown() -> str:
    """Return ``"none"``, ``"integrity"`` or ``"confidentiality"``; "" if that is not told."""
    return lockdown_of(_read(_LOCKDOWN))


def lockdown_of(text: str) -> str:
    """Return the state of lockdown in the text of the kernel's file: ``none [integrity] …``."""
    return text.partition("[")[2].partition("]")[0]


def modules_of(text: str) -> tuple[str, ...]:
    """Return the security modules in the text of the kernel's list."""
    return tuple(name for name in text.strip().split(",") if name)


def is_filtered(status: str) -> bool:
    """Tell whether ``/proc/PID/status`` is of a process with a filter of system calls."""
    return any(line.split()[:2] == ["Seccomp:", "2"] for line in status.splitlines())


def unprivileged_bpf_disabled() -> int:
    """Return ``kernel.unprivileged_bpf_disabled``: 0 if nothing is forbidden to all."""
    text = _read(_UNPRIVILEGED).strip()
    return int(text) if text.isdigit() else 0


def statistics_enabled() -> bool:
    """Tell whether the kernel times all programs anyway: ``kernel.bpf_stats_enabled``."""
    return _read(_STATISTICS).strip() == "1"


def suspects() -> str:
    """Name what may have refused a system call although no capability is missing.

    Cost: three small reads.
    """
    found = []
    locked = lockdown()
    if locked and locked != "none":
        found.append(f"kernel lockdown ({locked})")
    modules = modules_of(_read(_MODULES))
    asked = [m for m in modules if m not in _BYSTANDERS and m != "lockdown"]
    if asked:
        found.append(f"a security module ({', '.join(asked)})")
    if is_filtered(_read(_STATUS)):
        found.append("a filter of system calls (seccomp), which this process is under")
    if not modules and not locked:
        found.append(
            "kernel lockdown or a security module (/sys/kernel/security, which would tell, is not "
            "mounted)"
        )
    return " or ".join([*found, "a restriction built into this kernel"])


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return ""
