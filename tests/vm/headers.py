"""A kernel's headers, in one tree: BCC compiles against them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from scripts import archive
from scripts.archive import Suite
from tests.vm.image import Kernel


def get(kernel: Kernel) -> Path | None:
    """Return the folder with a kernel's headers; None if the suite has them no more.

    Debian has the headers of all machines and those of one apart; BCC's ``BCC_KERNEL_SOURCE`` is
    one tree.
    """
    folder = kernel.folder / "headers"
    with archive.alone(f"headers-{kernel.release}"):
        if not folder.exists() and not _unpack(kernel, folder):
            return None
    return folder


def _unpack(kernel: Kernel, folder: Path) -> bool:
    suite = Suite(kernel.row.suite, kernel.row.arch)
    common = kernel.release.removesuffix(kernel.row.flavour) + "-common"
    packages = [f"linux-headers-{kernel.release}", f"linux-headers-{common}"]
    if not all(suite.version(package) for package in packages):
        return False
    with tempfile.TemporaryDirectory(dir=archive.cache()) as scratch:
        suite.unpack(packages, Path(scratch))
        whole = Path(scratch, "whole")
        for name in (common, kernel.release):
            for part in ("include", "arch"):
                tree = Path(scratch, "usr/src", f"linux-headers-{name}", part)
                shutil.copytree(tree, whole / part, symlinks=True, dirs_exist_ok=True)
        whole.rename(folder)
    return True
