"""File systems of a test's own, that nobody else sees and that end with it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyebpf.errors import KernelError
from pyebpf.host.loop import LoopDevice
from scripts import debian

#: How large the disk is at least, and what makes no questions of what is on it. MiB.
_MAKING = {"ext4": (16, "-qF"), "xfs": (300, "-qf"), "btrfs": (128, "-qf")}
#: In a mount namespace that goes with its last process; the end of its input tells it to go.
_HOLD = 'mount -t "$1" "$2" "$3" && echo mounted && read -r _; umount "$3"'


@contextmanager
def mounted(kind: str, folder: Path) -> Iterator[Path]:
    """Make a disk in memory with a file system, and mount it where only this test looks.

    Args:
        kind: ``"ext4"`` or its like.
        folder: an empty directory.

    Yields:
        the root of the file system, by the process that has it mounted.
    """
    size_mib, quiet = _MAKING[kind]
    (row,) = (row for row in debian.COMMANDS if row.name == f"mkfs.{kind}")
    program = debian.find(row)
    if program is None:
        pytest.skip(f"no {row.name} (Debian package {row.packages[0]})")
    try:
        made = LoopDevice(size_mib << 20)
    except KernelError as err:
        pytest.skip(str(err))
    with made:
        subprocess.run([program, quiet, made.path], check=True, capture_output=True)
        with _held(kind, made.path, folder) as root:
            yield root


@contextmanager
def _held(kind: str, disk: str, folder: Path) -> Iterator[Path]:
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", _HOLD, "sh", kind, disk, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        if not holder.stdout.readline():
            pytest.skip(f"cannot mount {kind}: {holder.communicate()[1].strip()}")
        yield Path(f"/proc/{holder.pid}/root{folder}")
    finally:
        _, said = holder.communicate()
    assert (holder.returncode, said) == (0, "")
