"""The machines that QEMU emulates, one row for each architecture of Debian's."""

from __future__ import annotations

from typing import NamedTuple


class Architecture(NamedTuple):
    """One architecture.

    Attributes:
        name: as Debian calls it.
        emulator: the program of QEMU, as ``scripts/debian.py`` lists it.
        package: of Debian, where that program is.
        hardware: the program's options for a machine.
        arguments: the kernel's, which go with that machine; where it talks among them.
        python: Debian's and Python's own names of it: of folders, and of wheels.
    """

    name: str
    emulator: str
    package: str
    hardware: tuple[str, ...]
    arguments: str
    python: str


_ROWS = (
    Architecture(
        "amd64",
        "qemu-system-x86_64",
        "qemu-system-x86",
        ("-machine", "pc", "-cpu", "max"),
        # No calibration of clocks.
        "console=ttyS0 tsc=reliable no_timer_check lpj=10000000",
        "x86_64",
    ),
    Architecture(
        "arm64",
        "qemu-system-aarch64",
        "qemu-system-arm",
        # Signing pointers as hardware does it takes half of an emulator's time.
        ("-machine", "virt", "-cpu", "max,pauth-impdef=on"),
        "console=ttyAMA0",
        "aarch64",
    ),
)


def architecture(name: str) -> Architecture:
    """Return the row of a name."""
    (found,) = (known for known in _ROWS if known.name == name)
    return found
