"""Chains of fields on arguments that the verifier trusts, some of which it takes for NULL."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pyebpf import Array, Probe, Ptr, fentry, host_target, load, tgid, u64
from pyebpf.kernel import dentry, inode

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(
        not host_target().has("fentry_load"), reason="fentry programs do not load here"
    ),
]

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
