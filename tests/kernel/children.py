"""Child processes, for tests that change what a process is: its mounts, capabilities, limits."""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import traceback
import warnings
from collections.abc import Callable

_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 1 << 14, 1 << 18
BPFFS = "/sys/fs/bpf"


def in_child(
    function: Callable[..., None],
    *arguments: object,
    beside: Callable[[int], None] | None = None,
) -> None:
    """Run a function in a forked process; what it raises fails the test that calls this.

    ``beside`` runs here meanwhile, and gets the number of the process.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Libraries have threads; the child uses none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        os.close(reader)
        try:
            function(*arguments)
        except BaseException:  # noqa: BLE001 - whatever it is, the parent shows it
            os.write(writer, traceback.format_exc().encode()[-60_000:])
        os._exit(0)
    os.close(writer)
    try:
        if beside is not None:
            beside(child)
    except BaseException:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    with os.fdopen(reader, encoding="utf-8") as told:
        text = told.read()
    _, status = os.waitpid(child, 0)
    assert not text, text
    assert not status, f"the child ended with status {status}"


def own_mounts() -> None:
    """Give this process mounts of its own; they end with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) or libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "a mount namespace of its own")


def own_bpffs() -> None:
    """Give this process an empty BPF file system of its own, at the usual place."""
    own_mounts()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"bpf", BPFFS.encode(), b"bpf", 0, None):
        raise OSError(ctypes.get_errno(), "mounting bpf")


def in_own_bpffs(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in a child that has an empty BPF file system to itself."""

    @functools.wraps(test)
    def run(*arguments: object, **fixtures: object) -> None:
        def inside() -> None:
            own_bpffs()
            test(*arguments, **fixtures)

        in_child(inside)

    return run
