"""Chains of fields on arguments that the verifier trusts, some of which it takes for NULL."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest

from pyebpf import Array, Probe, Ptr, fentry, host_target, i32, load, tgid, tp_btf, u64
from pyebpf.kernel import dentry, inode, sk_buff

pytestmark = pytest.mark.kernel

OWN = os.getpid()
numbers = Array[u64](max_entries=4)


@fentry("security_inode_unlink")
def chain(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    if tgid() == OWN:
        numbers[0] = folder.i_ino
        numbers[1] = entry.d_inode.i_ino
        numbers[2] = entry.d_inode.i_sb.s_dev
        numbers[3] = entry.d_parent.d_inode.i_ino


@fentry("security_inode_unlink")
def variable(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    node = entry.d_inode
    if tgid() == OWN:
        numbers[0] = folder.i_ino
        numbers[1] = node.i_ino
        numbers[2] = node.i_sb.s_dev
        parent = entry.d_parent.d_inode
        numbers[3] = parent.i_ino


@fentry("security_inode_unlink")
def checked(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    node = entry.d_inode
    if tgid() == OWN and node is not None:
        numbers[0] = folder.i_ino
        numbers[1] = node.i_ino
        numbers[2] = node.i_sb.s_dev
        if (parent := entry.d_parent.d_inode) is not None:
            numbers[3] = parent.i_ino


@pytest.mark.skipif(not host_target().has("fentry_load"), reason="fentry programs do not load here")
@pytest.mark.parametrize("probe", [chain, variable, checked], ids=lambda probe: probe.name)
def test_fields_behind_pointers_that_may_be_null(probe: Probe) -> None:
    # In memory: the inodes of layered file systems have other numbers than stat() gives.
    with tempfile.TemporaryDirectory(dir="/run") as made:
        path = Path(made) / "gone"
        path.touch()
        info, folder = path.stat(), path.parent.stat()
        device = os.major(info.st_dev) << 20 | os.minor(info.st_dev)
        with load(probe) as session:
            path.unlink()
            found = session[numbers].view()[:4].tolist()
    assert found == [folder.st_ino, info.st_ino, device, folder.st_ino]


@tp_btf("skb_copy_datagram_iovec")
def behind_a_packet(skb: Ptr[sk_buff], size: i32) -> None:
    if tgid() == OWN:
        owner = skb.sk
        numbers[0] = skb.sk.sk_type
        numbers[1] = owner.sk_type
        numbers[2] = size
        if owner is not None:
            numbers[3] = owner.sk_type


def test_the_socket_of_a_packet() -> None:
    """Newer kernels say that a packet may have none."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver, load(behind_a_packet) as session:
        sender.send(b"seven")
        assert receiver.recv(16) == b"seven"
        found = session[numbers].view()[:4].tolist()
    assert found == [socket.SOCK_DGRAM, socket.SOCK_DGRAM, 5, socket.SOCK_DGRAM]
