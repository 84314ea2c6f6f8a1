"""Programs at hooks for security modules: they refuse this process one file, and no other."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from pyebpf import Array, Global, Ptr, i32, lsm, lsm_cgroup, tgid, u64
from pyebpf.dsl.probes import Probe
from pyebpf.kernel import dentry, file, inode, sockaddr
from pyebpf.kernel import socket as kernel_socket
from tests.kernel.namespaces import in_cgroup, own_cgroup
from tests.kinds.case import Steps, case

STREAM = int(socket.SOCK_STREAM)

mine = Global[u64](0)
guarded = Global[u64](0)
counts = Array[u64](max_entries=1)


@lsm("file_open")
def closed(opened: Ptr[file], ret: i32) -> i32:
    if ret == 0 and tgid() == mine.value and opened.f_inode.i_ino == guarded.value:
        return -1
    return ret


@lsm("inode_unlink", sleepable=True)
def kept(directory: Ptr[inode], entry: Ptr[dentry], ret: i32) -> i32:
    node = entry.d_inode
    if ret == 0 and tgid() == mine.value and node is not None and node.i_ino == guarded.value:
        return -1
    return ret


@lsm_cgroup("socket_bind")
def bound(sock: Ptr[kernel_socket], address: Ptr[sockaddr], length: i32) -> i32:
    counts[0] += 1
    return 1 if sock.type == STREAM else 0


def check(steps: Steps, probe: Probe, use: Callable[[Path], None]) -> None:
    """See that a program refuses the use of one file of two, while it is attached."""

    def tried(path: Path) -> str:
        try:
            use(path)
        except PermissionError:
            return "refused"
        return "done"

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, steps.loaded(probe) as session:
        locked, other = Path(folder, "locked"), Path(folder, "other")
        for made in (locked, other):
            made.write_text("text")
        session[guarded].value = locked.stat().st_ino
        session[mine].value = os.getpid()
        link = steps.attach(session, probe)
        got = [tried(locked), tried(other)]
        link.close()
        steps.fired([*got, tried(locked)], ["refused", "done", "done"])


@case("lsm", "lsm_active")
def a_hook(steps: Steps) -> None:
    check(steps, closed, lambda path: path.open().close())


@case("lsm.s", "lsm_active", "sleepable_hooks")
def a_hook_asleep(steps: Steps) -> None:
    check(steps, kept, Path.unlink)


@case("lsm_cgroup", "lsm_active")
def a_hook_of_a_cgroup(steps: Steps) -> None:
    with own_cgroup() as group, steps.loaded(bound) as session:
        steps.attach(session, bound, cgroup=str(group))
        told = in_cgroup(group, _bind_both)
        outside = _bind_both()
        steps.fired(
            [told, outside, session[counts][0]],
            [["bound", "refused"], ["bound", "bound"], 2],
        )


def _bind_both() -> list[str]:
    told = []
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as made:
            try:
                made.bind(("127.0.0.1", 0))
                told.append("bound")
            except PermissionError:
                told.append("refused")
    return told
