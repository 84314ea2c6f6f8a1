"""QEMU: the newest that this Debian release has, its backports included.

QEMU 10 runs emulated user code up to twice as fast as the 7.2 of Debian 12. It is unpacked into our
cache, beside the installed one, whose libraries it uses; where it cannot be had, or does not start,
the installed one does the same work.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from scripts import archive, debian
from scripts.archive import SetupError, Suite
from tests.vm.architectures import Architecture

#: The firmware that the programs read.
_PACKAGES = ("qemu-system-common", "qemu-system-data", "seabios")


def command(arch: Architecture) -> list[str]:
    """Return the program to run and where it finds its firmware.

    Raises:
        SetupError: there is none.
    """
    (row,) = (row for row in debian.VM if row.name == arch.emulator)
    installed = debian.find(row)
    if installed is None:
        raise SetupError(f"needs QEMU (Debian package {arch.package}): "
                      "python3 scripts/debian.py vm installs it as root")  # fmt: skip
    newer = _command_in(_backport(arch), arch.emulator)
    return newer if _starts(newer) else [installed]


def _backport(arch: Architecture) -> Path:
    """Return the folder with the backported QEMU; it is empty where there is none."""
    folder = archive.cache() / arch.emulator
    with archive.alone(arch.emulator):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=archive.cache()) as scratch:
                part = Path(scratch, "qemu")
                part.mkdir()
                try:
                    suite = Suite(f"{archive.codename()}-backports")
                    packages = [arch.package, *_PACKAGES]
                    suite.unpack([name for name in packages if suite.version(name)], part)
                except SetupError as err:
                    print(f"tests.vm: no newer QEMU: {err}", flush=True)
                part.rename(folder)
    return folder


def _command_in(folder: Path, program: str) -> list[str]:
    share = folder / "usr/share"
    return [str(folder / "usr/bin" / program),
            "-L", str(share / "qemu"), "-L", str(share / "seabios")]  # fmt: skip


def _starts(words: list[str]) -> bool:
    if not Path(words[0]).exists():
        return False
    done = subprocess.run([*words, "-version"], capture_output=True, check=False)
    return done.returncode == 0
