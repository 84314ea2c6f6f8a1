"""Why the kernel said no: an ``errno`` as a :class:`KernelError` that says what to do.

``EPERM`` has two causes that users confuse: a capability that this process lacks, and a policy that
refuses although the capability is held. They are told apart by reading the effective set.
"""

from __future__ import annotations

import errno
import os

from pyebpf.abi.capability import missing
from pyebpf.errors import KernelError

ENOTSUPP = 524  #: used inside the kernel, and by ``bpf(2)``; the C library has no text for it

_TEXT = {
    ENOTSUPP: "ENOTSUPP: operation not supported",
}
_POLICY = (
    "a policy refuses it: kernel lockdown, a security module, seccomp, a container, or a "
    "restriction built into this kernel; /sys/kernel/security/lockdown and "
    "/sys/kernel/security/lsm say which are active"
)


def effective_capabilities() -> int:
    """Return the effective capability set of this process, as a bit mask.

    Cost: one small file read.
    """
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123
        for line in status:
            if line.startswith(b"CapEff:"):
                return int(line[7:], 16)
    return 0


def in_user_namespace() -> bool:
    """Tell whether this process is in a user namespace, where capabilities do not reach bpf."""
    try:
        with open("/proc/self/uid_map", "rb") as uid_map:  # noqa: PTH123
            return uid_map.read().split() != [b"0", b"0", b"4294967295"]
    except OSError:
        return False


def describe(number: int) -> str:
    """Return ``"EPERM: operation not permitted"`` and the like."""
    known = _TEXT.get(number)
    if known is not None:
        return known
    text = os.strerror(number)
    return f"{errno.errorcode.get(number, number)}: {text[:1].lower()}{text[1:]}"


def refusal(number: int, tried: str, *, needs: tuple[str, ...] = (), hint: str = "") -> KernelError:
    """Make the exception for a failed system call; the caller raises it.

    Args:
        number: the ``errno``.
        tried: what failed, with names and sizes, such as ``"creating map 'started' (hash, …)"``.
        needs: the capabilities that this needs, for ``EPERM``.
        hint: what to do next for any other ``errno``.
    """
    lines, lacking = [f"{tried} failed: {describe(number)}"], ""
    if number == errno.EPERM:
        reason, lacking = _permission(needs)
        lines.append(reason)
    elif hint:
        lines.append(hint)
    return KernelError(number, "; ".join(lines), capability=lacking or None)


def _permission(needs: tuple[str, ...]) -> tuple[str, str]:
    lacking = missing(needs, effective_capabilities())
    if lacking:
        names = " and ".join(lacking)
        return (
            f"this needs {names}, which this process lacks: run it as root, or grant {names}",
            lacking[0],
        )
    if in_user_namespace():
        names = " and ".join(needs) or "the capability"
        return f"{names} held inside a user namespace does not count: run outside the container", ""
    held = f"{' and '.join(needs)} held, so " if needs else ""
    return f"{held}{_POLICY}", ""
