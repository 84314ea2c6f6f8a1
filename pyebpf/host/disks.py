"""Disks and partitions, by name and by the numbers that block tracepoints carry.

A device number here is the kernel's own ``dev_t``: major in the upper 12 bits, minor in the lower
20. It is not the number that ``stat(2)`` gives.
"""

from __future__ import annotations

import os
import stat

from pyebpf.btf.near import nearest
from pyebpf.headstart import own
from pyebpf.plain import Frozen

_PARTITIONS = "/proc/partitions"
_MINOR_BITS = 20  # MINORBITS of include/linux/kdev_t.h


class Disk(Frozen):
    """A block device: a whole disk or a partition."""

    name: str
    major: int
    minor: int

    @property
    def dev(self) -> int:
        """The kernel's number, as ``dev`` in block tracepoints and ``bd_dev``."""
        return self.major << _MINOR_BITS | self.minor


def disks() -> tuple[Disk, ...]:
    """Return every block device that has a size, in the kernel's order."""
    with open(_PARTITIONS, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
        return parse_partitions(file.read())


def parse_partitions(text: str) -> tuple[Disk, ...]:
    """Return the devices in the text of ``/proc/partitions``; other lines are headings."""
    rows = (line.split() for line in text.splitlines())
    return tuple(
        # The kernel writes '!' for '/' in names here, and people write '/', as in /dev.
        Disk(row[3].replace("!", "/"), int(row[0]), int(row[1]))
        for row in rows
        if len(row) == 4 and _is_number(row[0]) and _is_number(row[1])
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def dev_of(name_or_path: str) -> int:
    """Return the kernel's number of a disk: ``"sda"``, ``"/dev/sda"``, or any device file.

    Raises:
        ValueError: there is no such disk; the message names the nearest.
    """
    name = name_or_path.removeprefix("/dev/")
    known = disks()
    own.depends_on(f"/sys/class/block/{name.replace('/', '!')}")
    for disk in known:
        if disk.name == name:
            return disk.dev
    number = _device_file(name_or_path if "/" in name_or_path else f"/dev/{name_or_path}")
    if number is not None:
        return number
    names = _names() or [disk.name for disk in known]
    near = nearest(name, names)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}"
    raise ValueError(f"there is no disk {name_or_path!r}; {hint}")


def whole_disk(name_or_path: str) -> int:
    """Return the kernel's number of a disk as :func:`dev_of` does, but of no partition.

    Requests are for whole disks: where a partition is on its disk is added before they are made.

    Raises:
        ValueError: there is no such disk, or it is a partition; the message names its disk.
    """
    dev = dev_of(name_or_path)
    parent = disk_of_partition(dev >> _MINOR_BITS, dev & (1 << _MINOR_BITS) - 1)
    if parent is not None:
        raise ValueError(
            f"{name_or_path!r} is a partition, and requests are for whole disks: write {parent!r}"
        )
    return dev


def disk_of_partition(major: int, minor: int, devices: str = "/sys/dev/block") -> str | None:
    """Return the name of the disk that a partition is on; None if it is a whole disk.

    Args:
        major: of the partition's number.
        minor: of it.
        devices: where sysfs lists devices by their numbers.
    """
    place = f"{devices}/{major}:{minor}"
    if not os.path.exists(f"{place}/partition"):  # noqa: PTH110 - quick to import
        return None
    folder = os.path.realpath(place).rpartition("/")[0]
    return folder.rpartition("/")[2].replace("!", "/")


def _names() -> list[str]:
    try:
        return sorted(name.replace("!", "/") for name in os.listdir("/sys/class/block"))  # noqa: PTH208
    except OSError:
        return []


def name_of(major: int, minor: int) -> str:
    """Return the name of a disk, or ``"unknown[7:0]"``."""
    try:
        link = os.readlink(f"/sys/dev/block/{major}:{minor}")  # noqa: PTH115 - quick to import
    except OSError:
        return _listed(major, minor)
    return link.rpartition("/")[2].replace("!", "/")


def name_of_dev(dev: int) -> str:
    """Return the name of a disk by the kernel's number: the inverse of :func:`dev_of`."""
    return name_of(dev >> _MINOR_BITS, dev & (1 << _MINOR_BITS) - 1)


def _listed(major: int, minor: int) -> str:
    try:
        known = disks()
    except OSError:
        known = ()
    found = (disk.name for disk in known if (disk.major, disk.minor) == (major, minor))
    return next(found, f"unknown[{major}:{minor}]")


def kernel_dev(number: int) -> int:
    """Return the kernel's own ``dev_t`` of a device number as ``stat(2)`` gives it."""
    return os.major(number) << _MINOR_BITS | os.minor(number)


def _device_file(path: str) -> int | None:
    try:
        info = os.stat(path)  # noqa: PTH116 - quick to import
    except (OSError, ValueError):
        return None
    if not stat.S_ISBLK(info.st_mode):
        return None
    return kernel_dev(info.st_rdev)
