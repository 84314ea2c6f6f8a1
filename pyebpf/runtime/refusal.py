"""Why the kernel said no: an ``errno`` as a :class:`KernelError` that says what to do.

``EPERM`` has causes that users confuse: a capability that this process lacks, one that is held
where it does not count, a limit on memory, and a policy. They are told apart by reading what is
held. None of them says anything about the kernel's version.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyebpf.abi.capability import missing
from pyebpf.errors import KernelError
from pyebpf.lazy import lazy

if TYPE_CHECKING:
    from pyebpf.runtime import memlock, policy, token
else:
    memlock = lazy("pyebpf.runtime.memlock")
    policy = lazy("pyebpf.runtime.policy")
    token = lazy("pyebpf.runtime.token")

ENOTSUPP = 524  #: used inside the kernel, and by ``bpf(2)``; the C library has no text for it

_TEXT = {
    ENOTSUPP: "ENOTSUPP: operation not supported",
}


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
        return os.readlink("/proc/self/ns/user") != _FIRST_NAMESPACE  # noqa: PTH115
    except OSError:
        return False


#: ``PROC_USER_INIT_INO`` of ``include/linux/proc_ns.h``.
_FIRST_NAMESPACE = f"user:[{0xEFFFFFFD}]"


def describe(number: int) -> str:
    """Return ``"EPERM: operation not permitted"`` and the like."""
    known = _TEXT.get(number)
    if known is not None:
        return known
    text = os.strerror(number)
    return f"{errno.errorcode.get(number, number)}: {text[:1].lower()}{text[1:]}"


def refusal(  # noqa: PLR0913 - one argument for each thing that a reason depends on
    number: int,
    tried: str,
    *,
    needs: tuple[str, ...] = (),
    hint: str = "",
    denials: tuple[int, ...] = (errno.EPERM,),
    beyond: str = "",
    charged: bool = False,
    open_to_all: bool = False,
    delegated: str = "",
) -> KernelError:
    """Make the exception for a failed system call; the caller raises it.

    Args:
        number: the ``errno``.
        tried: what failed, with names and sizes, such as ``"creating map 'started' (hash, …)"``.
        needs: the capabilities that this needs.
        hint: what to do next for any other ``errno``.
        denials: each ``errno`` that means a lack of permission here.
        beyond: a capability that some kernels want besides.
        charged: whether this takes memory that kernels before 5.11 charge to RLIMIT_MEMLOCK.
        open_to_all: whether it needs nothing where ``kernel.unprivileged_bpf_disabled`` is 0.
        delegated: options of a BPF file system whose tokens allow it.
    """
    lines, lacking = [f"{tried} failed: {describe(number)}"], ""
    if number in denials and (number == errno.EPERM or needs):
        reason, lacking = _permission(needs, beyond, delegated, charged=charged)
        lines.append(reason)
        setting = policy.unprivileged_bpf_disabled() if open_to_all and lacking else 0
        lines += [f"kernel.unprivileged_bpf_disabled is {setting}, so nothing is for all"] * bool(
            setting
        )
    elif hint:
        lines.append(hint)
    return KernelError(number, "; ".join(lines), capability=lacking or None)


def _permission(
    needs: tuple[str, ...], beyond: str, delegated: str, *, charged: bool
) -> tuple[str, str]:
    """Return the reason for a refusal, and the first capability that is missing."""
    held = effective_capabilities()
    lacking = missing(needs, held)
    if not lacking and in_user_namespace():
        shown = token.current()
        if shown and delegated:
            return f"the BPF token of {shown.path} does not allow it: it takes {delegated}", ""
        names = " and ".join(needs) or "the capability"
        outside = "run outside the container, or let it have a BPF token (docs/privileges.md)"
        return f"{names} held inside a user namespace does not count: {outside}", ""
    if not lacking and beyond:
        lacking = missing((beyond,), held)
        needs = (*needs, beyond)
    if lacking:
        names = " and ".join(lacking)
        return (
            f"this needs {names}, which this process lacks: run it as root, or grant {names}",
            lacking[0],
        )
    limit = memlock.exhausted() if charged else ""
    if limit:
        return limit, "CAP_SYS_RESOURCE"
    has = f"{' and '.join(needs)} held, so " if needs else ""
    return f"{has}a policy refuses it: {policy.suspects()}", ""
