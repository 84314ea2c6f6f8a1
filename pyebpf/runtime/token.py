"""BPF tokens: how a container may load programs although its capabilities do not reach ``bpf(2)``.

Whoever runs the container mounts a BPF file system for its user namespace, which says what is
delegated (``delegate_cmds=``, ``delegate_maps=``, ``delegate_progs=``, ``delegate_attachs=``).
A process inside makes a token of it and shows that with each call.

Source: ``kernel/bpf/token.c`` (Linux 6.9).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NoReturn

from pyebpf.abi import constants as c
from pyebpf.abi.attr import TWO_WORDS
from pyebpf.errors import KernelError, NotSupportedError, PyebpfError
from pyebpf.owner import Owner
from pyebpf.runtime import call
from pyebpf.runtime.refusal import refusal

#: What libbpf reads too: where the file system is; empty for none.
VARIABLE = "LIBBPF_BPF_TOKEN_PATH"


class Token(Owner):
    """An open BPF token.

    Attributes:
        fd: its descriptor; -1 when closed.
        path: of the BPF file system that it was made of.
    """

    def __init__(self, fd: int, path: str) -> None:
        self.fd, self.path = fd, path

    def close(self) -> None:
        """Close it; what was loaded with it stays. Closing twice is no error."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


_current: ContextVar[Token | None] = ContextVar("token", default=None)


def current() -> Token | None:
    """Return the token that system calls of this context show; None for none."""
    return _current.get()


@contextmanager
def using(token: Token | None) -> Iterator[None]:
    """Let system calls in a block show a token, or none."""
    before = _current.set(token)
    try:
        yield
    finally:
        _current.reset(before)


def wanted(path: str | os.PathLike[str] | None) -> Token | None:
    """Make the token that was asked for, by a path or by the environment; None if none was.

    Raises:
        PyebpfError: the path is none of a BPF file system.
        NotSupportedError: this kernel has no tokens.
        KernelError: the kernel makes none of it; the message says why.
    """
    chosen = os.environ.get(VARIABLE, "") if path is None else os.fspath(path)
    return make(chosen) if chosen else None


def make(path: str) -> Token:
    """Make a token of the BPF file system mounted at ``path``; the caller owns it.

    Raises:
        PyebpfError, NotSupportedError, KernelError: as :func:`wanted`.
    """
    try:
        mount = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        why = f"{path!r} cannot be opened: {error.strerror}"
        raise PyebpfError(f"a BPF token is made of a BPF file system; {why}") from None
    try:
        fd = call.bpf(c.BPF_TOKEN_CREATE, TWO_WORDS.pack(0, mount))
    finally:
        os.close(mount)
    if fd < 0:
        _explain(-fd, path)
    return Token(fd, path)


def is_known() -> bool | None:
    """Tell whether this kernel has tokens; None if it does not say."""
    result = call.bpf(c.BPF_TOKEN_CREATE, TWO_WORDS.pack(0, (1 << 32) - 1))
    return {-errno.EBADF: True, -errno.EINVAL: False}.get(result)


_REASONS = {
    errno.EOPNOTSUPP: (
        "this process is in no user namespace, and needs no token but capabilities: leave it out"
    ),
    errno.ENOENT: (
        "it delegates nothing: whoever mounts it for the container says delegate_cmds=, "
        "delegate_maps=, delegate_progs= and delegate_attachs="
    ),
    errno.EINVAL: "it is not the top directory of a mounted BPF file system",
}


def _explain(number: int, path: str) -> NoReturn:
    if number == errno.EINVAL and is_known() is False:
        raise NotSupportedError(
            "this kernel lacks bpf_token, by which a container is delegated BPF (Linux 6.9)",
            feature="bpf_token",
            since="6.9",
        )
    tried = f"making a BPF token of {path!r}"
    plain = refusal(number, tried, needs=("CAP_BPF",), hint=_REASONS.get(number, ""))
    if number == errno.EPERM and not plain.capability:
        text = f"{tried} failed: it was mounted for another user namespace than this process is in"
        raise KernelError(number, text)
    raise plain
