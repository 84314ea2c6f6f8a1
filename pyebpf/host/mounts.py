"""Which file system a path is on, as the kernel numbers them."""

from __future__ import annotations

import os

from pyebpf.host.disks import kernel_dev


def superblock_dev(path: str) -> int:
    """Return ``s_dev`` of the file system that a path is on, the kernel's own ``dev_t``.

    ``stat(2)`` gives another number on btrfs, whose subvolumes have numbers of their own.

    Raises:
        OSError: there is no such path.
    """
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{opened}", encoding="ascii") as file:  # noqa: PTH123
            mount = dict(line.split(":", 1) for line in file)["mnt_id"].strip()
        number = os.fstat(opened).st_dev
    finally:
        os.close(opened)
    return _dev_of_mount(mount) or kernel_dev(number)


def _dev_of_mount(number: str) -> int:
    """Return the device of a mount; 0 if it is in no namespace of ours."""
    with open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123
        for line in file:
            fields = line.split()
            if fields[0].decode() == number:
                major, _, minor = fields[2].partition(b":")
                return kernel_dev(os.makedev(int(major), int(minor)))
    return 0
