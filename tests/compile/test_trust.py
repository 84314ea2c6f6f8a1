"""Reads through pointers that newer verifiers take for NULL: after a test, or by a helper."""

from __future__ import annotations

import pytest

from pyebpf import Array, Probe, Ptr, compile_probes, current_task, fentry, u64
from pyebpf.explained import words as explain
from pyebpf.kernel import dentry, inode
from pyebpf.loading import read_object
from pyebpf.present.listing import listing
from tests import arm64

numbers = Array[u64](max_entries=8)


@fentry("security_inode_unlink")
def chain(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    numbers[0] = entry.d_inode.i_ino


@fentry("security_inode_unlink")
def further(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    numbers[0] = entry.d_inode.i_sb.s_dev


@fentry("security_inode_unlink")
def variable(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    node = entry.d_inode
    numbers[0] = node.i_ino


@fentry("security_inode_unlink")
def reassigned(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    node = folder
    if numbers[1]:
        node = entry.d_inode
    numbers[0] = node.i_ino


def of(node: Ptr[inode]) -> u64:
    return node.i_ino


@fentry("security_inode_unlink")
def passed_on(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    numbers[0] = of(entry.d_inode)


@fentry("security_inode_unlink")
def checked(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    node = entry.d_inode
    if node is not None:
        numbers[0] = node.i_ino


@fentry("security_inode_unlink")
def checked_at_once(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    if (node := entry.d_inode) and node.i_ino:
        numbers[0] = node.i_ino


@fentry("security_inode_unlink")
def left_if_none(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    node = entry.d_inode
    if node is None:
        return
    numbers[0] = node.i_ino


@fentry("security_inode_unlink")
def argument(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    numbers[0] = folder.i_ino + entry.d_parent.d_flags


@fentry("security_inode_unlink")
def untrusted(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    """``mm`` is in no list, so what is behind it is not trusted, and taken for no NULL."""
    mm = current_task().mm
    numbers[0] = mm.exe_file.f_flags


#: Where the compiler adds a test.
TESTED = (chain, variable, reassigned, passed_on)


@pytest.mark.parametrize(
    ("probe", "helpers"),
    [
        (chain, 0),
        (further, 2),
        (variable, 0),
        (reassigned, 0),
        (passed_on, 0),
        (checked, 0),
        (checked_at_once, 0),
        (left_if_none, 0),
        (argument, 0),
        (untrusted, 0),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_how_a_field_is_read(probe: Probe, helpers: int) -> None:
    compiled = compile_probes(probe, target=arm64.target())
    code = listing(read_object(compiled))
    assert code.count("call bpf_probe_read_kernel#") == helpers
    said = explain(compiled)
    assert ("by probe_read_kernel" in said) is bool(helpers)
    assert ("reads struct inode.i_ino, if the pointer is not NULL" in said) is (probe in TESTED)
    assert said.count("    reads ") == len(compiled.programs[0].fields)


def test_a_kernel_without_lists_loads_directly() -> None:
    """Linux up to 6.2 takes no such pointer for NULL."""
    types = arm64.btf()
    without = bytes(types.data).replace(b"dentry__safe_trusted_or_null\0", b"x" * 28 + b"\0")
    assert without != bytes(types.data)
    compiled = compile_probes(chain, target=arm64.target(type(types).parse(without)))
    assert "probe_read_kernel" not in listing(read_object(compiled))
    assert "reads struct inode.i_ino\n" in f"{explain(compiled)}\n"
