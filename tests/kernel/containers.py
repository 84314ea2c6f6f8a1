"""A process in a user namespace, with a BPF file system that delegates what a test says."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

from pyebpf.runtime import call
from tests.kernel.children import in_child

_CLONE_NEWUSER, _CLONE_NEWNS = 0x10000000, 0x20000
_FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 1, 6
#: Root of the container is root outside, but the numbers end: it is another namespace.
_MAPPING = "0 0 65536"


class NoNamespaceError(OSError):
    """The kernel, or its policy, gives no user namespace."""


def in_container(function: Callable[[str], None], **delegated: str) -> None:
    """Run a function in a child in a user namespace.

    Args:
        function: gets the path of a BPF file system that belongs to the namespace.
        delegated: its options, such as ``cmds="any"`` for ``delegate_cmds``.

    Raises:
        NoNamespaceError: there can be none here.
    """
    refused = os.memfd_create("refused")
    ours, theirs = socket.socketpair()

    def inside() -> None:
        ours.close()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS):
            os.write(refused, os.strerror(ctypes.get_errno()).encode())
            theirs.close()
            return
        context = call.words(call.NUMBERS.fsopen, call.address_of(b"bpf\0"), 0)
        assert context >= 0, os.strerror(-context)
        socket.send_fds(theirs, [b"a file system of ours"], [context])
        _, (mount, *_), _, _ = socket.recv_fds(theirs, 64, 1)
        theirs.close()
        function(f"/proc/self/fd/{mount}")

    def outside(child: int) -> None:
        theirs.close()
        text, fds, _, _ = socket.recv_fds(ours, 64, 1)
        if not text:
            return
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text(_MAPPING)
        socket.send_fds(ours, [b"mounted"], [_mount(fds[0], delegated)])

    try:
        in_child(inside, beside=outside)
    finally:
        ours.close()
        os.lseek(refused, 0, os.SEEK_SET)
        reason = os.read(refused, 100).decode()
        os.close(refused)
    if reason:
        raise NoNamespaceError(reason)


def _mount(context: int, delegated: dict[str, str]) -> int:
    """Give a file system its options, which only the outside may, and mount it nowhere."""
    try:
        for name, value in delegated.items():
            key, text = f"delegate_{name}\0".encode(), f"{value}\0".encode()
            result = call.words(
                call.NUMBERS.fsconfig, context, _FSCONFIG_SET_STRING, call.address_of(key),
                call.address_of(text),
            )  # fmt: skip
            if result < 0:
                break  # a kernel without tokens knows no such option; the test sees that
        result = call.words(call.NUMBERS.fsconfig, context, _FSCONFIG_CMD_CREATE)
        if result == -errno.EPERM:  # before tokens, none is mounted for a namespace below
            raise NoNamespaceError("the kernel makes no bpffs for a user namespace from outside")
        assert result >= 0, os.strerror(-result)
        mount = call.words(call.NUMBERS.fsmount, context, 0, 0)
        assert mount >= 0, os.strerror(-mount)
        return mount
    finally:
        os.close(context)
