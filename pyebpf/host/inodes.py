"""Inode numbers, by which the kernel knows cgroups, namespaces and directories."""

from __future__ import annotations

import os

from pyebpf.headstart import own


def inode(path: str) -> int:
    """Return the inode number of a file that a command line names.

    Raises:
        OSError: there is no such file.
    """
    own.depends_on(path)
    return os.stat(path).st_ino  # noqa: PTH116 - quick to import
