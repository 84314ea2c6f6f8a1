"""A place of our own for tests of packets and cgroups: nothing else on the machine is in it."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")
_MNT_DETACH, _CLONE_NEWNET = 2, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def in_own_network(work: Callable[[], T]) -> T:
    """Run something in a thread with a network namespace of its own, whose loopback device is up.

    The namespace ends with the thread and the last socket and link that were made there. Programs
    that the thread starts are in it.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_in_new_network, work).result()


def _in_new_network(work: Callable[[], T]) -> T:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "leaving the network namespace")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", _IFF_UP)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)
    return work()


def pair(name: str, peer: str) -> None:
    """Make two devices, what goes into one comes out of the other; they end with the namespace."""
    ip("link", "add", name, "type", "veth", "peer", "name", peer)
    ip("link", "set", name, "up")
    ip("link", "set", peer, "up")


def ip(*words: str) -> None:
    """Run ``ip`` in the network namespace of this thread."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


def in_cgroup(group: Path, work: Callable[[], object]) -> Any:
    """Run something in a child that is in a cgroup; return its result, as JSON carries it."""
    read, write = os.pipe()
    with warnings.catch_warnings():  # the other threads are libraries': the child uses none of them
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _child(group, work, write)
    os.close(write)
    with open(read, "rb") as pipe:  # noqa: PTH123 - a descriptor
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, told.decode()
    return json.loads(told)


def _child(group: Path, work: Callable[[], object], write: int) -> NoReturn:
    try:
        (group / "cgroup.procs").write_text(str(os.getpid()))
        told, code = json.dumps(work()), 0
    except BaseException as error:  # noqa: BLE001 - told to the parent
        told, code = f"{type(error).__name__}: {error}", 1
    os.write(write, told.encode())
    os._exit(code)


@contextmanager
def own_cgroup() -> Iterator[Path]:
    """Make a cgroup (version 2), mounted for this test alone; remove both afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)
    with tempfile.TemporaryDirectory() as folder:
        if libc.mount(b"none", folder.encode(), b"cgroup2", 0, None):
            raise OSError(ctypes.get_errno(), "mounting cgroup2")
        group = Path(folder) / f"pyebpf-test-{os.getpid()}"
        try:
            group.mkdir()
            yield group
        finally:
            if group.exists():
                group.rmdir()
            libc.umount2(folder.encode(), _MNT_DETACH)
