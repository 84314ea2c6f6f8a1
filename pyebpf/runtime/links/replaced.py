"""Another program for a link that is there: what the kernel's refusals mean.

Source: ``link_update`` in ``kernel/bpf/syscall.c``, and what ``update_prog`` of each kind of link
says there: ``cgroup_bpf_replace``, ``bpf_xdp_link_update``, ``bpf_netns_link_update_prog``,
``tcx_link_update``, ``bpf_iter_link_replace``.
"""

from __future__ import annotations

import errno

from pyebpf.abi import constants as c
from pyebpf.abi.names import link_type_name, prog_type_name
from pyebpf.errors import AttachError, KernelError, NotSupportedError
from pyebpf.runtime import syscall

_BPF_F_REPLACE = 1 << 2
#: Links whose program can be changed.
_CHANGEABLE = (
    c.BPF_LINK_TYPE_CGROUP, c.BPF_LINK_TYPE_ITER, c.BPF_LINK_TYPE_NETNS, c.BPF_LINK_TYPE_XDP,
    c.BPF_LINK_TYPE_TCX, c.BPF_LINK_TYPE_NETKIT, c.BPF_LINK_TYPE_SOCKMAP,
)  # fmt: skip


def update(link: int, hook: str, program: int, instead_of: int = -1) -> None:
    """Let a link run another program.

    Args:
        link: its descriptor.
        hook: where it is, for messages.
        program: the descriptor of the new one.
        instead_of: that of the program that must run until now; -1 for any.

    Raises:
        NotSupportedError: no program of such a link can be changed.
        AttachError: it is not the program that was expected, or not one that fits.
        KernelError: the kernel refused otherwise.
    """
    try:
        if instead_of < 0:
            syscall.link_update(link, program)
        else:
            syscall.link_update(link, program, old_prog_fd=instead_of, flags=_BPF_F_REPLACE)
    except KernelError as error:
        raise _meaning(error, link, hook, program, instead_of) from None


def _meaning(
    error: KernelError, link: int, hook: str, program: int, instead_of: int
) -> KernelError | AttachError | NotSupportedError:
    if error.errno == errno.ENOLINK:
        return AttachError(f"what {hook!r} was attached to is gone", target=hook)
    found = syscall.link_info(link)
    if error.errno in (errno.EINVAL, errno.EOPNOTSUPP) and found.type not in _CHANGEABLE:
        kind = link_type_name(found.type)
        return NotSupportedError(
            f"{hook!r} cannot be given another program: the kernel has no way to for a link of "
            f"the kind {kind!r}"
        )
    if instead_of >= 0 and syscall.prog_info(instead_of).id != found.prog_id:
        return AttachError(f"another program runs at {hook!r} than the expected one", target=hook)
    if error.errno in (errno.EINVAL, errno.EEXIST):
        kind = prog_type_name(syscall.prog_info(program).type)
        return AttachError(
            f"the new program, of the kind {kind!r}, is not one for {hook!r}: it must be of the "
            "kind, and made for the hook, of the one before",
            target=hook,
        )
    return error
